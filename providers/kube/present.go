package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

var (
	claims       = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	virtuals     = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	destinations = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
)

// contents are the objects of the namespace of the services that a restore is about. Of
// ConfigMaps and Secrets the names alone are read: the API server is asked for nothing else.
type contents struct {
	deployments  []appsv1.Deployment
	claims       []corev1.PersistentVolumeClaim
	configMaps   []string
	secrets      []string
	virtuals     []unstructured.Unstructured
	destinations []unstructured.Unstructured
	// meshless: the cluster does not know Istio's objects.
	meshless bool
}

// Present tells what the target has already in the namespace of the services: a restore
// skips it and updates nothing of it.
func (k *Kube) Present(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var has contents
	if err := k.together(
		func() (err error) { has.deployments, err = k.deployments(ctx, client, r); return err },
		func() (err error) { has.claims, err = k.claims(ctx, client, r); return err },
		func() (err error) { has.configMaps, err = k.names(ctx, client, r, "configmaps"); return err },
		func() (err error) { has.secrets, err = k.names(ctx, client, r, "secrets"); return err },
		func() error { return k.mesh(ctx, client, r, &has) },
	); err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: k.clock.Now()}}
	var kinds []string
	all := 0
	for _, one := range has.byKind() {
		all += len(one.names)
		if len(one.names) > 0 {
			o.Evidence[one.kind+"s"] = text.Some(one.names, named)
			kinds = append(kinds, text.Count(len(one.names), one.kind))
		}
	}
	o.Measured.Figures = []incident.Figure{{Name: "objects there", Value: float64(all), Unit: "objects"}}
	if all == 0 {
		o.Summary = fmt.Sprintf("the namespace %s in %s is empty: nothing is skipped", r.Namespace, r.Name)
		return o, true, nil
	}
	o.Evidence["present"] = strings.Join(kinds, ", ")
	o.Summary = fmt.Sprintf("the namespace %s in %s has %s: a restore skips them, and updates nothing of them", r.Namespace, r.Name, o.Evidence["present"])
	return o, true, nil
}

// named is how many names of a kind stand in the evidence.
const named = 20

// ofKind are the names of the objects of a kind.
type ofKind struct {
	kind  string
	names []string
}

func (h *contents) byKind() []ofKind {
	return []ofKind{
		{"Deployment", namesOf(h.deployments, func(d *appsv1.Deployment) string { return d.Name })},
		{"PersistentVolumeClaim", namesOf(h.claims, func(c *corev1.PersistentVolumeClaim) string { return c.Name })},
		{"ConfigMap", h.configMaps},
		{"Secret", h.secrets},
		{"VirtualService", namesOf(h.virtuals, (*unstructured.Unstructured).GetName)},
		{"DestinationRule", namesOf(h.destinations, (*unstructured.Unstructured).GetName)},
	}
}

func namesOf[T any](all []T, name func(*T) string) []string {
	var out []string
	for i := range all {
		out = append(out, name(&all[i]))
	}
	slices.Sort(out)
	return out
}

func (k *Kube) claims(ctx context.Context, client kubeapi.Client, r cluster) ([]corev1.PersistentVolumeClaim, error) {
	all, err := list[corev1.PersistentVolumeClaim](ctx, k, client, claims, r, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the volume claims in %s: %w", r.Name, err)
	}
	return all, nil
}

// mesh reads Istio's objects; a cluster without Istio does not know them.
func (k *Kube) mesh(ctx context.Context, client kubeapi.Client, r cluster, into *contents) error {
	faults := make([]error, 2)
	_ = k.together(
		func() error {
			into.virtuals, faults[0] = list[unstructured.Unstructured](ctx, k, client, virtuals, r, metav1.ListOptions{})
			return nil
		},
		func() error {
			into.destinations, faults[1] = list[unstructured.Unstructured](ctx, k, client, destinations, r, metav1.ListOptions{})
			return nil
		},
	)
	if apierrors.IsNotFound(faults[0]) && apierrors.IsNotFound(faults[1]) {
		into.meshless = true
		return nil
	}
	for i, kind := range []string{"VirtualServices", "DestinationRules"} {
		if faults[i] != nil {
			return fmt.Errorf("list the %s in %s: %w", kind, r.Name, faults[i])
		}
	}
	return nil
}

// How the API server is asked for a list without the objects: as a table without them, of
// which a Secret's row has its name and how many keys it has, or for their metadata alone.
// Metadata is asked for of those alone that a controller makes: what somebody has applied
// carries its values in an annotation.
//
// https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
const (
	asTable    = "application/json;as=Table;g=meta.k8s.io;v=v1"
	asMetadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// names are those of the objects of one of Kubernetes' own kinds. Their values never leave
// the API server.
func (k *Kube) names(ctx context.Context, client kubeapi.Client, r cluster, resource string) ([]string, error) {
	var out []string
	err := k.rows(ctx, client, r, resource, func(name string, _ int) { out = append(out, name) })
	slices.Sort(out)
	return out, err
}

// rows gives the name of each object of a kind, and how many keys it has.
func (k *Kube) rows(ctx context.Context, client kubeapi.Client, r cluster, resource string, each func(name string, keys int)) error {
	return pages(ctx, k, client, r, resource, asTable, map[string]string{"includeObject": "None"}, func(t *metav1.Table) (next string, err error) {
		column := func(name string) int {
			return slices.IndexFunc(t.ColumnDefinitions, func(c metav1.TableColumnDefinition) bool { return c.Name == name })
		}
		at, data := column("Name"), column("Data")
		for _, row := range t.Rows {
			if max(at, data) >= len(row.Cells) || min(at, data) < 0 {
				return "", errors.New("a row has no Name and Data")
			}
			name, isName := row.Cells[at].(string)
			keys, isNumber := row.Cells[data].(float64)
			if !isName || !isNumber {
				return "", errors.New("a row's Name or Data is of another kind")
			}
			each(name, int(keys))
		}
		return t.Continue, nil
	})
}

// secret is what is known of a Secret without its values.
type secret struct {
	keys int
	// hash is that of its values, as the External Secrets operator writes it; empty where
	// something else makes it.
	hash string
}

// The marks of the External Secrets operator on what it makes: that it does, and a digest of
// the values, by which it sees that somebody has changed them.
const (
	madeByExternalSecrets = "reconcile.external-secrets.io/managed=true"
	externalSecretsHash   = "reconcile.external-secrets.io/data-hash"
)

// secrets are those of the namespace of the services, by name.
func (k *Kube) secrets(ctx context.Context, client kubeapi.Client, r cluster) (map[string]secret, error) {
	out := map[string]secret{}
	if err := k.rows(ctx, client, r, "secrets", func(name string, keys int) { out[name] = secret{keys: keys} }); err != nil {
		return nil, err
	}
	err := pages(ctx, k, client, r, "secrets", asMetadata, map[string]string{"labelSelector": madeByExternalSecrets}, func(page *metav1.PartialObjectMetadataList) (string, error) {
		for i := range page.Items {
			name := page.Items[i].Name
			if has, there := out[name]; there {
				has.hash = page.Items[i].Annotations[externalSecretsHash]
				out[name] = has
			}
		}
		return page.Continue, nil
	})
	return out, err
}

// pages reads a list page by page, each as it is asked for; take says where the next begins.
func pages[T any](ctx context.Context, k *Kube, client kubeapi.Client, r cluster, resource, accept string, query map[string]string, take func(page *T) (next string, err error)) error {
	next := ""
	for {
		page, err := read(ctx, k.clock, func(ctx context.Context) (*T, error) {
			q := client.HTTP.Get().AbsPath("/api/v1/namespaces", r.Namespace, resource).SetHeader("Accept", accept).Param("limit", "500")
			for name, value := range query {
				q = q.Param(name, value)
			}
			if next != "" {
				q = q.Param("continue", next)
			}
			body, err := q.DoRaw(ctx)
			if err != nil {
				var status apierrors.APIStatus
				if errors.As(err, &status) {
					err = &apierrors.StatusError{ErrStatus: said(body, status.Status())}
				}
				return nil, err //nolint:wrapcheck // read sorts it
			}
			all := new(T)
			if err := json.Unmarshal(body, all); err != nil {
				return nil, unlike(err)
			}
			return all, nil
		})
		if err == nil {
			if next, err = take(page); err != nil {
				err = unlike(err)
			}
		}
		if err != nil {
			return fmt.Errorf("list the %s in %s: %w", resource, r.Name, of(err, r))
		}
		if next == "" {
			return nil
		}
	}
}

// unlike is the fault of an answer that is no list as it was asked for.
func unlike(err error) error {
	return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("the answer cannot be read as a list: %w", err), Hint: "the cluster answers in another way than the bot knows"}
}
