package providers_test

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func template(s *sim.State, region, service string) *corev1.PodSpec {
	return &s.Regions[region].Deployments[service].Spec.Template.Spec
}

// pushed puts another image under the tag that a service of a Region runs.
func pushed(s *sim.State, region, service, digest string) {
	all := s.Regions[region].Repositories[service]
	all[0].Tags = nil
	s.Regions[region].Repositories[service] = append(all, sim.RegistryImage{Digest: digest, Tags: []string{"2026.02"}, Pushed: s.At})
}

func TestTheImagesAreJudged(t *testing.T) {
	const other = "sha256:00000000000011111111111122222222222233333333333344444444444455555555"
	const registry = "111122223333.dkr.ecr."
	judge(t, "images", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"5 images of the Deployments in us-west-2 are there, and so is what runs in us-east-1"},
			map[string]string{"order-service:2026.02": "active sha256:", "source": "compared with what runs in us-east-1"},
			map[string]float64{"images missing in the target": 0, "images of another Region's registry": 0},
		},
		{
			"the tag is not there", func(s *sim.State) { s.Regions[west].Repositories["order-service"][0].Tags = nil }, incident.Fail,
			[]string{"pods could not start in us-west-2 with us-west-2 alone", "order-service:2026.02 is not in us-west-2 (order-service)"},
			map[string]string{"order-service:2026.02": "missing"},
			map[string]float64{"images missing in the target": 1},
		},
		{
			"the repository is not there", func(s *sim.State) { delete(s.Regions[west].Repositories, "order-service") }, incident.Fail,
			[]string{"us-west-2 has no repository order-service (order-service)"},
			nil, nil,
		},
		{"a digest that the target does not have", func(s *sim.State) {
			template(s, west, "order-service").Containers[0].Image = registry + west + ".amazonaws.com/order-service@" + other
		}, incident.Fail, []string{"order-service@sha256:000000000000 is not in us-west-2 (order-service)"}, nil, nil},
		{"an init container's image", func(s *sim.State) {
			template(s, west, "order-service").InitContainers = []corev1.Container{{Name: "migrate", Image: registry + west + ".amazonaws.com/migrations:7"}}
		}, incident.Fail, []string{"us-west-2 has no repository migrations (order-service/migrate)"}, nil, nil},
		{"a Deployment that is none of the services", func(s *sim.State) {
			d := s.Regions[west].Deployments["user-service"].DeepCopy()
			d.Name, d.Spec.Template.Spec.Containers[0].Image = "mailer", registry+west+".amazonaws.com/mailer:1"
			s.Regions[west].Deployments["mailer"] = d
		}, incident.Fail, []string{"us-west-2 has no repository mailer (mailer/user-service)"}, nil, nil},
		{
			"the other Region's registry", func(s *sim.State) {
				template(s, west, "order-service").Containers[0].Image = registry + east + ".amazonaws.com/order-service:2026.02"
			}, incident.Fail,
			[]string{"order-service pulls order-service:2026.02 from us-east-1"},
			nil,
			map[string]float64{"images of another Region's registry": 1, "images missing in the target": 0},
		},
		{
			"it was archived", func(s *sim.State) { s.Regions[west].Repositories["user-service"][0].Archived = true }, incident.Fail,
			[]string{"user-service:2026.02 in us-west-2 is ARCHIVED and cannot be pulled"},
			nil, nil,
		},
		{
			"what runs in the source has not been replicated", func(s *sim.State) { pushed(s, east, "payment-service", other) }, incident.Fail,
			[]string{"payment-service@sha256:000000000000 is not in us-west-2 (payment-service in us-east-1)"},
			nil, nil,
		},
		{"the target would run another build", func(s *sim.State) {
			pushed(s, east, "payment-service", other)
			s.Regions[west].Repositories["payment-service"] = append(s.Regions[west].Repositories["payment-service"], sim.RegistryImage{Digest: other})
		}, incident.Warn, []string{"payment-service would run sha256:", "and us-east-1 runs sha256:000000000000"}, nil, nil},
		{"another account's registry", func(s *sim.State) {
			template(s, west, "order-service").Containers[0].Image = "444455556666.dkr.ecr." + west + ".amazonaws.com/order-service:2026.02"
		}, incident.Fail, []string{"us-west-2 has no repository order-service"}, nil, nil},
		{
			"a registry that is not ECR", func(s *sim.State) {
				spec := template(s, west, "order-service")
				spec.Containers = append(spec.Containers, corev1.Container{Name: "proxy", Image: "istio/proxyv2:1.27"})
			}, incident.Warn, []string{"not looked at are those of other registries: order-service/proxy (docker.io)"}, nil, nil,
		},
		{
			"the source does not answer", func(s *sim.State) { s.Regions[east].Lost = true }, incident.Warn,
			[]string{"5 images of the Deployments in us-west-2 are there; what runs in us-east-1 could not be compared"},
			nil, nil,
		},
		{
			"there is no Deployment", func(s *sim.State) {
				clear(s.Regions[west].HPAs)
				for _, d := range s.Regions[west].Deployments {
					d.Spec.Template.Spec.Containers = nil
				}
			}, incident.Fail, []string{"no Deployment in us-west-2"}, nil, nil,
		},
		{"many are missing", func(s *sim.State) {
			spec := template(s, west, "order-service")
			for i := range 9 {
				spec.Containers = append(spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: registry + west + fmt.Sprintf(".amazonaws.com/c%d:1", i)})
			}
		}, incident.Fail, []string{"; and 4 more"}, map[string]string{"c8:1": "no such repository"}, map[string]float64{"images missing in the target": 9}},
	})
}

// An unplanned run asks nothing of the Region that is left.
func TestAnUnplannedRunDoesNotAskWhatRunsInTheSource(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { pushed(s, east, "payment-service", "sha256:0000") })
	a, c := w.call(t, "images")
	c.Plan.Mode = "unplanned"
	o, ok, err := a.Look(t.Context(), c)
	if err != nil || !ok || o.Measured.Verdict != incident.Pass || !strings.Contains(o.Summary, "us-east-1, which is left, was not asked what runs there") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// 300 Deployments, and no image is asked for twice.
func TestManyImagesAreAskedForOnceEach(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		for i := range 300 {
			d := &appsv1.Deployment{}
			s.Regions[west].Deployments["user-service"].DeepCopyInto(d)
			d.Name = fmt.Sprint("worker-", i)
			s.Regions[west].Deployments[d.Name] = d
		}
	})
	var call engine.Call
	a, call := w.call(t, "images")
	o, ok, err := a.Look(t.Context(), call)
	if err != nil || !ok || o.Evidence["images"] != "305" {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	asked := 0
	for _, c := range w.Calls() {
		if c.Operation == "DescribeImages" {
			asked++
		}
	}
	if asked != 10 { // by tag, and by the digest that runs
		t.Errorf("%d calls for 5 images", asked)
	}
}

func TestImagesThatCannotBeSeenAreUnknown(t *testing.T) {
	blind(t, "images", "aws.ecr", "DescribeImages")
	t.Run("in the cluster", func(t *testing.T) {
		w := newWorld(t)
		for _, operation := range []string{"list deployments", "list pods"} {
			if err := w.Fault(sim.Fault{Operation: operation, Region: west, Kind: sim.Deny, Times: 1}); err != nil {
				t.Fatal(err)
			}
			if o, ok, err := w.looked(t, "images"); err == nil || ok || !incident.CallErrorOf(err).NeedsPerson {
				t.Errorf("%s: %t %q %v", operation, ok, o.Summary, err)
			}
		}
	})
}
