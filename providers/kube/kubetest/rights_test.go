package kubetest

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTheRightsOfATestAreThoseOfTheFileInItsOwnNames(t *testing.T) {
	patch := Right{Verb: "patch", Group: "apps", Resource: "deployments/scale"}
	given, err := Rights()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(given, patch) || patch.String() != "patch deployments/scale.apps" {
		t.Errorf("%s is not in %v", patch, given)
	}
	all, err := rightsIn("shop-7", "testers", patch)
	if err != nil {
		t.Fatal(err)
	}
	var left []Right
	for _, o := range all {
		if strings.HasPrefix(o.GetKind(), "Cluster") != (o.GetNamespace() == "") {
			t.Errorf("%s %s is in namespace %q", o.GetKind(), o.GetName(), o.GetNamespace())
		}
		if o.GetNamespace() != "" && o.GetNamespace() != "shop-7" {
			t.Errorf("%s is in %s", o.GetName(), o.GetNamespace())
		}
		rules, err := rulesOf(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if slices.Contains(r.Resources, "deployments") && r.Verbs[0] == "patch" && len(r.ResourceNames) != 5 {
				t.Errorf("%v is for %d services", r, len(r.ResourceNames))
			}
			left = append(left, split(r)...)
		}
		bound(t, o, all)
	}
	if slices.Contains(left, patch) {
		t.Errorf("%s was to be missing", patch)
	}
	for _, r := range given {
		if r != patch && !slices.Contains(left, r) {
			t.Errorf("%s is missing", r)
		}
	}
}

// bound checks that a binding names the group and a role that is there.
func bound(t *testing.T, o *unstructured.Unstructured, all []*unstructured.Unstructured) {
	t.Helper()
	subjects, found, err := unstructured.NestedSlice(o.Object, "subjects")
	if err != nil || !found {
		return
	}
	if name := subjects[0].(map[string]any)["name"]; name != "testers" {
		t.Errorf("%s is for %s", o.GetName(), name)
	}
	kind, _, err := unstructured.NestedString(o.Object, "roleRef", "kind")
	if err != nil {
		t.Fatal(err)
	}
	name, _, err := unstructured.NestedString(o.Object, "roleRef", "name")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(r *unstructured.Unstructured) bool { return r.GetKind() == kind && r.GetName() == name }) {
		t.Errorf("%s gives the rights of %s %s, which is not there", o.GetName(), kind, name)
	}
}

func TestAnOperationIsAVerbAndAResource(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/api/v1/nodes", "list nodes"},
		{"GET", "/readyz", "get /readyz"},
		{"GET", "/apis/apps/v1/namespaces/shop-1/deployments", "list deployments"},
		{"GET", "/apis/apps/v1/namespaces/shop-1/deployments/order-service", "get deployments"},
		{"PATCH", "/apis/apps/v1/namespaces/shop-1/deployments/order-service/scale", "patch deployments/scale"},
		{"GET", "/api", "list "},
	} {
		if got := operationOf(c.method, c.path); got != c.want {
			t.Errorf("%s %s is %q, want %q", c.method, c.path, got, c.want)
		}
	}
}

func TestProgramsAreFoundWhereTheEnvironmentSays(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Setenv("FAILOVERBOT_KUBEBOX", "/no/such/program")
	if _, err := findPrograms(); err == nil {
		t.Error("a program that is not there was taken")
	}
	t.Setenv("FAILOVERBOT_KUBEBOX", "/bin/sh")
	found, err := findPrograms()
	if err != nil || found.lack(slices.Concat(apiComponents, rolloutComponents)) != "" || !slices.Equal(found["kwok"], []string{"/bin/sh", "kwok"}) {
		t.Errorf("%v %v", found, err)
	}
}
