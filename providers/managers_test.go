package providers_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// applied marks an object as written by that manager, with these fields.
func applied(m *metav1.ObjectMeta, manager, fields string) {
	m.ManagedFields = append(m.ManagedFields, metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	})
}

func TestWhatWouldBeSetBackIsNoticed(t *testing.T) {
	well := "nothing but autoscalers keeps the sizes that the run changes"
	by := func(controller string, more ...func(g *sim.GitOps)) func(*sim.State) {
		return func(s *sim.State) {
			s.Regions[west].Manage(controller)
			for _, f := range more {
				f(s.Regions[west].GitOps)
			}
		}
	}
	paused := func(g *sim.GitOps) { g.Paused = true }
	const replicas = `{"f:spec":{"f:replicas":{},"f:template":{}}}`
	judge(t, "managers", []judged{
		{"nothing", func(*sim.State) {}, incident.Pass, []string{well}, nil, map[string]float64{"kept by something else": 0}},
		{
			"Argo CD", by("argocd"), incident.Warn,
			[]string{"Argo CD application shop in us-west-2 sets back what the run changes (pause it first: argocd app set argocd/shop --self-heal=false), the minimum of autoscaler"},
			map[string]string{"Argo CD application shop": "sets back what differs"},
			map[string]float64{"kept by something else": 5},
		},
		{"Argo CD, paused", by("argocd", paused), incident.Pass, []string{well}, map[string]string{"Argo CD application shop": "lets the change be"}, nil},
		{
			"Argo CD of another cluster", func(s *sim.State) {
				by("argocd")(s)
				for _, h := range s.Regions[west].HPAs {
					h.Annotations["argocd.argoproj.io/tracking-id"] = "tenants_web:autoscaling/HorizontalPodAutoscaler:shop/" + h.Name
				}
			}, incident.Warn,
			[]string{"Argo CD application web in us-west-2 sets back", "argocd app set tenants/web --self-heal=false"},
			map[string]string{"Argo CD application web": `whether it is paused could not be read: applications.argoproj.io "web" not found`},
			nil,
		},
		{"Flux", by("flux"), incident.Warn, []string{"Flux Kustomization shop in us-west-2", "flux --context us-west-2 -n flux-system suspend kustomization shop"}, nil, nil},
		{"Flux, suspended", by("flux", paused), incident.Pass, []string{well}, nil, nil},
		{"Flux's Helm", by("helm"), incident.Warn, []string{"Flux HelmRelease shop in us-west-2", "suspend helmrelease shop"}, nil, nil},
		{"Flux's Helm, suspended", by("helm", paused), incident.Pass, []string{well}, nil, nil},
		{
			"KEDA", by("keda"), incident.Warn,
			[]string{"KEDA ScaledObject order-service in us-west-2 sets back what the run changes (pause it first: ", "the minimum of autoscaler order-service", `patch scaledobject order-service --type merge -p '{"spec":{"minReplicaCount":6}}'`},
			nil, nil,
		},
		{"KEDA, with a minimum that is enough", by("keda", func(g *sim.GitOps) {
			for name := range g.Minimum {
				g.Minimum[name] = 50
			}
		}), incident.Pass, []string{well}, nil, nil},
		{
			"replicas that are written down", func(s *sim.State) {
				applied(&s.Regions[west].Deployments["user-service"].ObjectMeta, "kustomize-controller", replicas)
			}, incident.Warn,
			[]string{"Flux Kustomization whose name is not known in us-west-2 sets back what the run changes (pause it first), the replicas of user-service"},
			nil,
			map[string]float64{"kept by something else": 1},
		},
		{"other fields that are written down", func(s *sim.State) {
			applied(&s.Regions[west].Deployments["user-service"].ObjectMeta, "kustomize-controller", `{"f:spec":{"f:template":{}}}`)
			applied(&s.Regions[west].Deployments["user-service"].ObjectMeta, "kubectl", replicas)
		}, incident.Pass, []string{well}, nil, nil},
		{
			"what is stopped in the source", func(s *sim.State) {
				applied(&s.Regions[east].Deployments["order-service"].ObjectMeta, "argocd-controller", replicas)
			}, incident.Warn,
			[]string{"in us-east-1 sets back what the run changes (pause it first), the replicas of order-service"},
			nil, nil,
		},
		{"what is not stopped in the source", func(s *sim.State) {
			applied(&s.Regions[east].Deployments["product-service"].ObjectMeta, "argocd-controller", replicas)
		}, incident.Pass, []string{well}, nil, nil},
		{"KEDA in the source", func(s *sim.State) { s.Regions[east].Manage("keda") }, incident.Warn, []string{"KEDA ScaledObject order-service in us-east-1 sets back", "the replicas of order-service", "annotate scaledobject order-service autoscaling.keda.sh/paused-replicas=0"}, nil, nil},
		{"the source does not answer", func(s *sim.State) { s.Regions[east].Lost = true }, incident.Warn, []string{"what keeps the services in us-east-1 could not be read"}, nil, nil},
	})
}

// In a failback what the Region that is left has in the end would be set back, too.
func TestWhatSetsTheStandbyBackIsNoticedBeforeTheWayHome(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *sim.State)
		verdict incident.Verdict
		says    []string
		not     string
	}{
		"nothing": {func(*sim.State) {}, incident.Pass, []string{"nothing but autoscalers"}, "left at"},
		"Argo CD": {func(s *sim.State) { s.Regions[west].Manage("argocd") }, incident.Warn, []string{
			"Argo CD application shop in us-west-2 sets back what the run changes (pause it first: argocd app set argocd/shop --self-heal=false), ",
			"the minimum of autoscaler order-service, which is left at 2",
		}, "before that"},
		"Argo CD, paused": {func(s *sim.State) { s.Regions[west].Manage("argocd"); s.Regions[west].GitOps.Paused = true }, incident.Pass, nil, "left at"},
		"Flux's replicas": {func(s *sim.State) {
			applied(&s.Regions[west].Deployments["product-service"].ObjectMeta, "kustomize-controller", `{"f:spec":{"f:replicas":{}}}`)
		}, incident.Warn, []string{"the replicas of product-service, which is left at 2"}, ""},
		"KEDA": {func(s *sim.State) { s.Regions[west].Manage("keda") }, incident.Warn, []string{
			"KEDA ScaledObject product-service in us-west-2 sets back", "the minimum of autoscaler product-service, which is left at 2",
			`"spec":{"minReplicaCount":2}}'`, "the replicas of order-service; the minimum of autoscaler order-service, which is left at 2 (before that: kubectl",
		}, ""},
		"KEDA, of what is not stopped, as in a standby": {func(s *sim.State) {
			s.Regions[west].Manage("keda")
			s.Regions[west].GitOps.Minimum["product-service"] = 2
		}, incident.Warn, []string{"order-service"}, "product-service in us-west-2 sets back"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, servedAway(c.change))
			_, call := w.call(t, "drift") // of a failback
			step, ok := call.Plan.Step("managers")
			if !ok {
				t.Fatal("a failback does not look who keeps the sizes")
			}
			call.Step = step
			o, ok, err := w.catalog[step.Uses].Look(t.Context(), call)
			if err != nil || !ok || o.Measured.Verdict != c.verdict {
				t.Fatalf("%t %q %q %v", ok, o.Measured.Verdict, o.Summary, err)
			}
			for _, part := range c.says {
				if !strings.Contains(o.Summary, part) {
					t.Errorf("it does not say %q: %s", part, o.Summary)
				}
			}
			if c.not != "" && strings.Contains(o.Summary, c.not) {
				t.Errorf("it says %q: %s", c.not, o.Summary)
			}
		})
	}
}

func TestWhatSetsBackIsUnknownWhereItCannotBeRead(t *testing.T) {
	blind(t, "managers", "kubernetes", "list deployments", "list horizontalpodautoscalers", "list cronjobs")
}

// A right that is missing for the controller's own object leaves it at what is seen: it may
// set the change back.
func TestAControllerThatMayNotBeReadIsTakenToSetBack(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Regions[west].Manage("argocd") })
	if err := w.Fault(sim.Fault{System: "kubernetes", Operation: "get applications", Kind: sim.Deny}); err != nil {
		t.Fatal(err)
	}
	a, c := w.call(t, "managers")
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Evidence["Argo CD application shop"], "could not be read") {
		t.Errorf("%t %q %v %v", ok, o.Summary, o.Evidence, err)
	}
}

func TestAnUnplannedRunDoesNotAskWhatKeepsTheSource(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "managers")
	c.Plan.Mode = "unplanned"
	if _, ok, err := a.Look(t.Context(), c); err != nil || !ok {
		t.Errorf("%t %v", ok, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}
