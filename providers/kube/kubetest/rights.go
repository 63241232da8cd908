package kubetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// rightsFile says what the bot may do, as operators apply it.
const rightsFile = "deploy/rbac.yaml"

// Right is one thing that the bot may do.
type Right struct {
	Verb     string // patch
	Group    string // apps; empty is the core group
	Resource string // deployments/scale; of what is no object its path: /readyz
}

func (r Right) String() string {
	if r.Group == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "." + r.Group
}

// Rights are what deploy/rbac.yaml gives, one by one, in its order, each once.
func Rights() ([]Right, error) {
	all, err := readRights()
	if err != nil {
		return nil, err
	}
	var out []Right
	for _, o := range all {
		rules, err := rulesOf(o)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			for _, r := range split(rule) {
				if !slices.Contains(out, r) {
					out = append(out, r)
				}
			}
		}
	}
	return out, nil
}

func split(rule rbacv1.PolicyRule) []Right {
	var out []Right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				out = append(out, Right{verb, group, resource})
			}
		}
	}
	for _, path := range rule.NonResourceURLs {
		for _, verb := range rule.Verbs {
			out = append(out, Right{Verb: verb, Resource: path})
		}
	}
	return out
}

// rule gives the right, of those objects where it names some.
func (r Right) rule(names []string) rbacv1.PolicyRule {
	if strings.HasPrefix(r.Resource, "/") {
		return rbacv1.PolicyRule{NonResourceURLs: []string{r.Resource}, Verbs: []string{r.Verb}}
	}
	return rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Resource}, Verbs: []string{r.Verb}, ResourceNames: names}
}

// rightsIn is deploy/rbac.yaml for one test: in its namespace, for its group, and
// without those that are missing. What belongs to no namespace has a name of its own.
func rightsIn(namespace, group string, missing ...Right) ([]*unstructured.Unstructured, error) {
	all, err := readRights()
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		clusterWide := o.GetNamespace() == ""
		if clusterWide {
			o.SetName(o.GetName() + "-" + namespace)
		} else {
			o.SetNamespace(namespace)
		}
		rules, err := rulesOf(o)
		if err != nil {
			return nil, err
		}
		if err := setRules(o, without(rules, missing)); err != nil {
			return nil, err
		}
		if err := bind(o, namespace, group); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// bind gives a binding this test's group, and the name that its role has here.
func bind(o *unstructured.Unstructured, namespace, group string) error {
	subjects, found, err := unstructured.NestedSlice(o.Object, "subjects")
	if err != nil || !found {
		return err
	}
	if len(subjects) != 1 {
		return fmt.Errorf("%s: %s has %d subjects, and one is expected", rightsFile, o.GetName(), len(subjects))
	}
	subject, ok := subjects[0].(map[string]any)
	if !ok || subject["kind"] != "Group" {
		return fmt.Errorf("%s: %s does not give its rights to a group", rightsFile, o.GetName())
	}
	subject["name"] = group
	if err := unstructured.SetNestedSlice(o.Object, subjects, "subjects"); err != nil {
		return err
	}
	kind, _, err := unstructured.NestedString(o.Object, "roleRef", "kind")
	if err != nil || kind != "ClusterRole" {
		return err
	}
	role, _, err := unstructured.NestedString(o.Object, "roleRef", "name")
	if err != nil {
		return err
	}
	return unstructured.SetNestedField(o.Object, role+"-"+namespace, "roleRef", "name")
}

// without takes the missing rights away. A rule may be about several, so it is taken
// apart first.
func without(rules []rbacv1.PolicyRule, missing []Right) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, rule := range rules {
		for _, r := range split(rule) {
			if !slices.Contains(missing, r) {
				out = append(out, r.rule(rule.ResourceNames))
			}
		}
	}
	return out
}

func rulesOf(o *unstructured.Unstructured) ([]rbacv1.PolicyRule, error) {
	var role rbacv1.Role // a ClusterRole has its rules in the same place
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
		return nil, fmt.Errorf("%s: read %s %s: %w", rightsFile, o.GetKind(), o.GetName(), err)
	}
	return role.Rules, nil
}

func setRules(o *unstructured.Unstructured, rules []rbacv1.PolicyRule) error {
	if _, has := o.Object["rules"]; !has {
		return nil
	}
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: o.GetName()}, Rules: rules})
	if err != nil {
		return fmt.Errorf("%s: write the rules of %s: %w", rightsFile, o.GetName(), err)
	}
	o.Object["rules"] = u["rules"]
	if len(rules) == 0 {
		o.Object["rules"] = []any{}
	}
	return nil
}

func readRights() ([]*unstructured.Unstructured, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(root, rightsFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	d := yaml.NewYAMLOrJSONDecoder(f, 4096)
	var all []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := d.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", rightsFile, err)
		}
		if len(o.Object) > 0 { // a comment between two lines of dashes is no object
			all = append(all, o)
		}
	}
}

// seen waits until a cluster's API server judges by the rights that were written. It
// does so from a copy, which on a busy machine may be late.
func (p *Platform) seen(region string, missing []Right) {
	p.t.Helper()
	given, err := Rights()
	if err != nil {
		p.t.Fatal(err)
	}
	waited := map[string]bool{} // once for what is in the namespace, and for what is in none
	for _, r := range given {
		namespace := p.Namespace
		if r.Resource == Nodes.Resource {
			namespace = ""
		}
		// Rights of named objects would need a name.
		if waited[namespace] || r.Verb != "list" || slices.Contains(missing, r) {
			continue
		}
		waited[namespace] = true
		p.Wait(fmt.Sprintf("%s is allowed in %s", r, region), func() bool { return p.allows(region, namespace, r) })
	}
}

var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews"}

// allows asks a cluster whether the bot has a right.
func (p *Platform) allows(region, namespace string, r Right) bool {
	p.t.Helper()
	asked, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
		Spec: authorizationv1.SubjectAccessReviewSpec{User: "failoverbot", Groups: []string{p.group}, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: r.Verb, Group: r.Group, Resource: r.Resource,
		}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := brief()
	defer cancel()
	answer, err := p.planes[region].client.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: asked}, metav1.CreateOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
	if err != nil {
		p.t.Fatal(err)
	}
	return allowed
}
