package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	restoresGVR     = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "restores"}
	podVolumesGVR   = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "podvolumebackups"}
	configMapsGVR   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	claimsGVR       = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	virtualsGVR     = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	destinationsGVR = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
)

// KeptObject is an object of the namespace of the services whose inside nothing follows from.
type KeptObject struct {
	// Service that it belongs to.
	Service string `json:"service"`
	// Restore that brought it; empty for one that was there.
	Restore string `json:"restore,omitempty"`
	// Pending volume claims have no volume.
	Pending bool `json:"pending,omitempty"`
	// Data is that of a ConfigMap. Of a Secret the world knows no value: Keys is how many it
	// has, and Hash the digest that the External Secrets operator keeps of them, empty where
	// something else made it.
	Data map[string]string `json:"data,omitempty"`
	Keys int               `json:"keys,omitempty"`
	Hash string            `json:"hash,omitempty"`
}

// Objects are those that a Region's cluster keeps, by resource and name.
type Objects map[string]map[string]KeptObject

// ownKey is the key of a ConfigMap whose value is each Region's own.
const ownKey = "AWS_REGION"

// setUpBy are the ConfigMap and the Secret of a service that has some.
func setUpBy(service string) (configMap, secret string, ok bool) {
	name := strings.TrimSuffix(service, "-service")
	return name + "-settings", name + "-database", name == "order" || name == "payment"
}

// beginObjects are the same in both Regions, but for the name of it: what two services are
// set up by, a volume, and where Istio leads their callers.
func beginObjects(region string) Objects {
	out := Objects{claimsGVR.Resource: {"order-exports": {Service: "order-service"}}}
	for _, service := range serviceNames() {
		configMap, secret, ok := setUpBy(service)
		if !ok {
			continue
		}
		for resource, name := range map[string]string{
			configMapsGVR.Resource: configMap, "secrets": secret, virtualsGVR.Resource: service, destinationsGVR.Resource: service,
		} {
			if out[resource] == nil {
				out[resource] = map[string]KeptObject{}
			}
			o := KeptObject{Service: service}
			switch resource {
			case configMapsGVR.Resource:
				o.Data = map[string]string{ownKey: region, "CHECKOUT": "v2"}
			case "secrets":
				o.Keys, o.Hash = 2, fmt.Sprintf("%028x%028x", draw(1, 1<<62, service), draw(2, 1<<62, service))
			}
			out[resource][name] = o
		}
	}
	return out
}

// configure changes a setting of a service in one Region. What runs has read the former one.
func (s *State) configure(c Configure) {
	configMap, _, _ := setUpBy(c.Service)
	if o, there := s.Regions[c.Region].Objects[configMapsGVR.Resource][configMap]; there {
		o.Data = maps.Clone(o.Data)
		o.Data[c.Key] = c.Value
		s.Regions[c.Region].Objects[configMapsGVR.Resource][configMap] = o
	}
}

// leaveOut takes from a Region's cluster what belongs to a service.
func (r *Region) leaveOut(service string) {
	delete(r.Deployments, service)
	delete(r.HPAs, service)
	r.Pods = slices.DeleteFunc(r.Pods, func(p *Pod) bool { return p.Service == service })
	for _, all := range r.Objects {
		for name, o := range all {
			if o.Service == service {
				delete(all, name)
			}
		}
	}
}

// Restore is one of Velero's, and where it is.
type Restore struct {
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels,omitempty"`
	Spec    map[string]any    `json:"spec"`
	Created time.Time         `json:"created"`
	Phase   string            `json:"phase"`
	// Since is when it came to that phase.
	Since time.Time `json:"since"`
	// Why it did not get further.
	Why string `json:"why,omitempty"`
}

func (o *Restore) backup() string { return fmt.Sprint(o.Spec["backupName"]) }

// How a restore may go otherwise than well.
const (
	restoreFails   = "Failed"
	restoreInvalid = "FailedValidation"
	restorePartly  = "PartiallyFailed"
	// restoreItems are the items of a backup.
	restoreItems = 37
)

// restoreTakes is how long a restore is in a phase before the next.
var restoreTakes = map[string]time.Duration{
	"New": 3 * time.Second, "InProgress": 25 * time.Second, "WaitingForPluginOperations": 40 * time.Second, "Finalizing": 6 * time.Second,
}

// stepRestores lets each restore go on where Velero runs.
func (s *State) stepRestores() {
	for _, name := range regionNames {
		l := s.Velero.Locations[name]
		if s.Velero.Held || l == nil || !l.Validated.IsZero() || s.Regions[name].Lost {
			continue
		}
		for _, o := range s.Velero.Restores[name] {
			if next := s.after(name, o); next != "" {
				o.Phase, o.Since = next, s.At
			}
		}
	}
}

// after is the next phase of a restore, if its time has come.
func (s *State) after(region string, o *Restore) string {
	phase, partly := strings.CutSuffix(o.Phase, restorePartly)
	if takes, moves := restoreTakes[phase]; !moves || s.At.Sub(o.Since) < takes {
		return ""
	}
	end := s.Velero.RestoreEnds
	suffix := ""
	if partly || end == restorePartly {
		suffix = restorePartly
	}
	switch phase {
	case "New":
		if o.Why = s.invalid(region, o); o.Why != "" || end == restoreInvalid {
			return restoreInvalid
		}
		return "InProgress"
	case "InProgress":
		if end == restoreFails {
			o.Why = "the backup's contents cannot be read: AccessDenied"
			return restoreFails
		}
		s.bring(region, o)
		if s.Velero.Volumes != "" && s.Velero.Volumes != "moved" {
			return "Finalizing" + suffix // no operation goes on beside
		}
		return "WaitingForPluginOperations" + suffix
	case "WaitingForPluginOperations":
		return "Finalizing" + suffix
	}
	if suffix != "" {
		return restorePartly
	}
	return "Completed"
}

// invalid says why Velero does not begin with a restore.
func (s *State) invalid(region string, o *Restore) string {
	if l := s.Velero.Locations[region]; l == nil || l.Phase != "Available" {
		return "the backup storage location default is unavailable"
	}
	if !slices.ContainsFunc(s.backups(), func(b unstructured.Unstructured) bool { return b.GetName() == o.backup() }) {
		return "an error occurred while reading the backup: backup " + o.backup() + " not found"
	}
	return ""
}

// bring makes what the backup has and the Region has not. Deployments come as large as they
// are at home, with images of the Region's own registry, as Velero can turn them.
func (s *State) bring(region string, o *Restore) {
	r, home := s.Regions[region], s.Regions[homeRegion]
	label := map[string]string{"velero.io/restore-name": o.Name, "velero.io/backup-name": o.backup()}
	for _, svc := range services {
		name := svc.topology.Name
		have := home.Deployments[name]
		if have == nil || r.Deployments[name] != nil {
			continue
		}
		s.deploy(r, name, *have.Spec.Replicas, int32(2*svc.topology.Replicas), s.At)
		for k, v := range label {
			r.Deployments[name].Labels[k], r.HPAs[name].Labels[k] = v, v
		}
	}
	for resource, all := range home.Objects {
		for name, has := range all {
			if _, there := r.Objects[resource][name]; there {
				continue
			}
			has.Restore = o.Name
			has.Pending = resource == claimsGVR.Resource && s.Velero.RestoreEnds == restorePartly
			r.Objects[resource][name] = has
		}
	}
}

// restores are those of a Region's cluster.
func (s *State) restores(region string) []unstructured.Unstructured {
	var out []unstructured.Unstructured
	for _, o := range s.Velero.Restores[region] {
		out = append(out, s.restoreObject(o))
	}
	return out
}

func (s *State) restoreObject(o *Restore) unstructured.Unstructured {
	status := map[string]any{}
	if o.Phase != "New" {
		status["phase"] = o.Phase
	}
	phase := strings.TrimSuffix(o.Phase, restorePartly)
	done := int64(restoreItems)
	if phase == "InProgress" {
		done = int64(restoreItems * min(s.At.Sub(o.Since), restoreTakes[phase]) / restoreTakes[phase])
	}
	switch o.Phase {
	case "New":
	case restoreInvalid:
		status["validationErrors"] = []any{cmp.Or(o.Why, "includedNamespaces: not valid")}
	case restoreFails:
		status["failureReason"] = o.Why
	default:
		status["startTimestamp"] = o.Created.UTC().Format(time.RFC3339)
		status["progress"] = map[string]any{"totalItems": int64(restoreItems), "itemsRestored": done}
		status["warnings"] = int64(s.Velero.RestoreWarnings)
		if phase == "WaitingForPluginOperations" || phase == "Finalizing" || phase == "Completed" || o.Phase == restorePartly {
			status["restoreItemOperationsAttempted"] = int64(1)
			if phase != "WaitingForPluginOperations" {
				status["restoreItemOperationsCompleted"] = int64(1)
			}
		}
		if phase != o.Phase { // in part
			status["errors"] = int64(1)
			status["restoreItemOperationsFailed"] = int64(1)
			delete(status, "restoreItemOperationsCompleted")
		}
	}
	u := veleroObject("Restore", o.Name, o.Created, runtime.DeepCopyJSON(o.Spec), status)
	u.SetLabels(o.Labels)
	return u
}

// create is what a cluster makes of a new object.
func (k *kube) create(r *Region, gvr schema.GroupVersionResource, ns string, u *unstructured.Unstructured) (runtime.Object, error) {
	s := k.w.state
	if gvr == reviewsGVR {
		return s.reviewed(r.Name, u)
	}
	if gvr != restoresGVR || ns != veleroNamespace {
		return nil, apierrors.NewMethodNotSupported(gvr.GroupResource(), "create")
	}
	if slices.ContainsFunc(s.Velero.Restores[r.Name], func(o *Restore) bool { return o.Name == u.GetName() }) {
		return nil, apierrors.NewAlreadyExists(gvr.GroupResource(), u.GetName())
	}
	spec, _, err := unstructured.NestedMap(u.Object, "spec")
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o := &Restore{Name: u.GetName(), Labels: u.GetLabels(), Spec: spec, Created: s.At, Phase: "New", Since: s.At}
	if s.Velero.Restores == nil {
		s.Velero.Restores = map[string][]*Restore{}
	}
	s.Velero.Restores[r.Name] = append(s.Velero.Restores[r.Name], o)
	k.changed = true
	made := s.restoreObject(o)
	return &made, nil
}

// podVolumes are the backups of volumes' files, of all backups.
func (s *State) podVolumes() []unstructured.Unstructured {
	var out []unstructured.Unstructured
	if s.Velero.Volumes != "files" {
		return nil
	}
	for _, b := range s.backups() {
		phase := "Completed"
		if s.Velero.FilesFail {
			phase = "Failed"
		}
		u := veleroObject("PodVolumeBackup", b.GetName()+"-files", b.GetCreationTimestamp().Time, map[string]any{
			"pod": map[string]any{"name": "order-service-0", "namespace": namespace}, "volume": "exports",
		}, map[string]any{"phase": phase})
		u.SetLabels(map[string]string{"velero.io/backup-name": b.GetName()})
		out = append(out, u)
	}
	return out
}

// keptList is the answer to a list of what a cluster keeps, of one of the kinds that are
// read whole.
func (r *Region) keptList(gvr schema.GroupVersionResource, here bool) *unstructured.UnstructuredList {
	kind := strings.TrimSuffix(kubeKinds[gvr], "List")
	out := &unstructured.UnstructuredList{}
	out.SetAPIVersion(gvr.GroupVersion().String())
	out.SetKind(kind + "List")
	for _, name := range sortedKeys(r.Objects[gvr.Resource]) {
		if !here {
			break
		}
		o := r.Objects[gvr.Resource][name]
		u := unstructured.Unstructured{Object: map[string]any{}}
		switch gvr {
		case configMapsGVR:
			data := map[string]any{}
			for key, value := range o.Data {
				data[key] = value
			}
			u.Object["data"] = data
		case claimsGVR:
			phase := string(corev1.ClaimBound)
			if o.Pending {
				phase = string(corev1.ClaimPending)
			}
			u.Object["status"] = map[string]any{"phase": phase}
		case virtualsGVR:
			u.Object["spec"] = map[string]any{"hosts": []any{o.Service}, "http": []any{map[string]any{"route": []any{
				map[string]any{"destination": map[string]any{"host": o.Service, "subset": "stable"}},
			}}}}
		case destinationsGVR:
			u.Object["spec"] = map[string]any{"host": o.Service + "." + namespace + ".svc.cluster.local", "subsets": []any{map[string]any{"name": "stable"}}}
		}
		u.SetAPIVersion(gvr.GroupVersion().String())
		u.SetKind(kind)
		u.SetName(name)
		u.SetNamespace(namespace)
		u.SetUID(uidOf(r.Name, kind, name))
		if o.Restore != "" {
			u.SetLabels(map[string]string{"velero.io/restore-name": o.Restore})
		}
		out.Items = append(out.Items, u)
	}
	return out
}

// keptNames answers a request for ConfigMaps or Secrets without the objects: as a table, or
// the metadata of what the External Secrets operator makes. Whoever asks otherwise is
// refused: nothing that is rehearsed reads the values of Secrets, nor an annotation that may
// have them.
func (r *Region) keptNames(q *http.Request) (code int, body string, ok bool) {
	resource, found := strings.CutPrefix(q.URL.Path, "/api/v1/namespaces/"+namespace+"/")
	if !found || resource != configMapsGVR.Resource && resource != "secrets" || q.Method != http.MethodGet {
		return 0, "", false
	}
	var out any
	accept, query := q.Header.Get("Accept"), q.URL.Query()
	switch {
	case strings.Contains(accept, "as=Table") && query.Get("includeObject") == "None":
		table := metav1.Table{
			TypeMeta:          metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"},
			ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name", Type: "string"}, {Name: "Data", Type: "integer"}, {Name: "Age", Type: "string"}},
			Rows:              []metav1.TableRow{},
		}
		for _, name := range sortedKeys(r.Objects[resource]) {
			o := r.Objects[resource][name]
			table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{name, max(o.Keys, len(o.Data)), "30d"}})
		}
		out = table
	case strings.Contains(accept, "as=PartialObjectMetadataList") && query.Get("labelSelector") == externalSecrets+"managed=true":
		all := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}, Items: []metav1.PartialObjectMetadata{}}
		for _, name := range sortedKeys(r.Objects[resource]) {
			if hash := r.Objects[resource][name].Hash; hash != "" {
				all.Items = append(all.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Name: name, Namespace: namespace, UID: uidOf(r.Name, resource, name),
					Labels: map[string]string{externalSecrets + "managed": "true"}, Annotations: map[string]string{externalSecrets + "data-hash": hash},
				}})
			}
		}
		out = all
	default:
		return http.StatusNotAcceptable, "only metadata is given\n", true
	}
	data, err := json.Marshal(out)
	if err != nil {
		return http.StatusInternalServerError, err.Error(), true
	}
	return http.StatusOK, string(data), true
}

// externalSecrets is where the External Secrets operator's marks begin.
const externalSecrets = "reconcile.external-secrets.io/"

// expectRestored says what a scenario expects to be there and is not.
func (s *State) expectRestored(e Expect, say say) {
	if e.Restored == "" {
		return
	}
	r := s.Regions[e.Restored]
	for _, svc := range services {
		if name := svc.topology.Name; r.Deployments[name] == nil {
			say("%s is not in %s, expected it to be", name, e.Restored)
		} else if ready, _ := s.readyPods(r, name); ready == 0 {
			say("%s has no ready pod in %s, expected some", name, e.Restored)
		}
	}
	for resource, all := range beginObjects(e.Restored) {
		for _, name := range sortedKeys(all) {
			if has, there := r.Objects[resource][name]; !there || has.Pending {
				say("%s %s is not in %s as it should be", resource, name, e.Restored)
			}
		}
	}
}
