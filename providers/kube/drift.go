package kube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

const (
	// shownDrift is how many of a kind a sentence tells, keptDrift how many differences the
	// evidence names; what the others are is in a digest of all.
	shownDrift, keptDrift = 4, 60
	// digestsAtOnce is how many images are looked up in a registry at the same time.
	digestsAtOnce = 32
)

// Digest is what a Region's registry has under the name of an image: sha256:..., or nothing
// where that registry cannot be asked or has no such image. Its errors are faults of a read.
type Digest func(ctx context.Context, region, image string) (string, error)

// DriftInput is the input of Drift.
type DriftInput struct {
	// Shown is the step whose findings were shown before Go: what it found is known to those
	// who said Go, and only what differs beyond that is a no. Empty: nothing is known yet.
	Shown string `yaml:"shown,omitempty" json:"shown,omitempty"`
}

// setup is what the services of a Region are made of.
type setup struct {
	region      string
	deployments map[string]*appsv1.Deployment
	images      map[string]Image
	scalers     map[string]*autoscalingv2.HorizontalPodAutoscaler // by Deployment
	// configMaps are digests of their values, by name and key.
	configMaps map[string]map[string]string
	secrets    map[string]secret
	// unlisted is why the Secrets are not known: the right to list them is given apart.
	unlisted error
}

// comparison is what two Regions' setups come to.
type comparison struct {
	target, source *setup
	// differs is what is known to differ, by what it is; unknown what nobody can tell, told
	// what differs and does no harm. Each is a sentence.
	differs       map[string]string
	unknown, told []string
}

// Drift compares the services of the target with those that serve now: the images that run,
// by digest; the ConfigMaps and Secrets that Deployments name; the bounds of autoscalers.
// Values of ConfigMaps are compared by digests and told to nobody. Those of Secrets never
// leave the API server: a Secret is compared by how many keys it has and by the digest that
// the External Secrets operator writes beside it, and is unknown where there is none.
//
// https://external-secrets.io/latest/
func (k *Kube) Drift(digest Digest) func(context.Context, engine.Call) (engine.Outcome, bool, error) {
	return func(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
		var in DriftInput
		if err := c.With(&in); err != nil {
			return engine.Outcome{}, false, err
		}
		own, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
		if err != nil {
			return engine.Outcome{}, false, err
		}
		d := comparison{differs: map[string]string{}}
		if err := k.together(
			func() (err error) { d.target, err = k.setup(ctx, c.Plan, c.Plan.Target); return err },
			func() (err error) { d.source, err = k.setup(ctx, c.Plan, c.Plan.Source); return err },
		); err != nil {
			return engine.Outcome{}, false, fmt.Errorf("what differs between %s and %s is unknown: %w", c.Plan.Target.Name, c.Plan.Source.Name, err)
		}
		d.compareImages(ctx, k.clock, digest)
		d.compareConfigMaps(own.DifferingKeys)
		d.compareSecrets()
		d.compareScalers()
		var shown map[string]string
		if in.Shown != "" {
			before, _ := c.Result(in.Shown)
			shown = map[string]string{}
			maps.Copy(shown, before.Evidence)
		}
		o := d.answer(shown)
		o.Measured.AsOf = k.clock.Now()
		return o, o.Measured.Verdict != incident.Fail, nil
	}
}

// setup reads that of one Region.
func (k *Kube) setup(ctx context.Context, p *runbook.Plan, region runbook.Region) (*setup, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	s := &setup{
		region: r.Name, deployments: map[string]*appsv1.Deployment{}, images: map[string]Image{},
		scalers: map[string]*autoscalingv2.HorizontalPodAutoscaler{}, configMaps: map[string]map[string]string{},
	}
	var all []appsv1.Deployment
	var running []corev1.Pod
	var scalers []autoscalingv2.HorizontalPodAutoscaler
	var configs []corev1.ConfigMap
	if err := k.together(
		func() (err error) { all, err = k.deployments(ctx, client, r); return err },
		func() (err error) {
			if running, err = list[corev1.Pod](ctx, k, client, pods, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the pods in %s: %w", r.Name, err)
			}
			return nil
		},
		func() (err error) {
			if scalers, err = list[autoscalingv2.HorizontalPodAutoscaler](ctx, k, client, autoscalers, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the autoscalers in %s: %w", r.Name, err)
			}
			return nil
		},
		func() (err error) {
			if configs, err = list[corev1.ConfigMap](ctx, k, client, configMaps, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the ConfigMaps in %s: %w", r.Name, err)
			}
			return nil
		},
		func() error {
			if s.secrets, s.unlisted = k.secrets(ctx, client, r); s.unlisted != nil && !apierrors.IsForbidden(s.unlisted) {
				return s.unlisted
			}
			return nil
		},
	); err != nil {
		return nil, err
	}
	for i := range all {
		s.deployments[all[i].Name] = &all[i]
	}
	for _, image := range imagesOf(all, running) {
		s.images[image.name()] = image
	}
	for i := range scalers {
		if to := scalers[i].Spec.ScaleTargetRef; to.Kind == "Deployment" {
			s.scalers[to.Name] = &scalers[i]
		}
	}
	for i := range configs {
		digests := map[string]string{}
		for key, value := range configs[i].Data {
			digests[key] = digestOf([]byte(value))
		}
		for key, value := range configs[i].BinaryData {
			digests[key] = digestOf(value)
		}
		s.configMaps[configs[i].Name] = digests
	}
	return s, nil
}

// digestOf is enough of a digest to tell a value from others.
func digestOf(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:6])
}

// name is the Deployment's, and its container's where that is called otherwise.
func (i Image) name() string {
	if i.Container == i.Deployment {
		return i.Deployment
	}
	return i.Deployment + "/" + i.Container
}

// both are the keys of either map, in order.
func both[V any](a, b map[string]V) []string {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

// alone notes what is in one Region and not in the other; it says whether it is.
func (d *comparison) alone(what string, inTarget, inSource bool) bool {
	switch {
	case inTarget && !inSource:
		d.differs[what] = "is in " + d.target.region + " alone"
	case inSource && !inTarget:
		d.differs[what] = "is in " + d.source.region + " alone"
	}
	return inTarget != inSource
}

// compareImages compares what runs. Where nothing runs, because it is stopped or waits, what
// the registry has under the name is what would.
func (d *comparison) compareImages(ctx context.Context, clock incident.Clock, digest Digest) {
	for _, name := range both(d.target.deployments, d.source.deployments) {
		d.alone("Deployment "+name, d.target.deployments[name] != nil, d.source.deployments[name] != nil)
	}
	type side struct {
		of    *setup
		image Image
		runs  []string // digests
		why   string   // they are not known
	}
	var sides []*side
	var names []string
	for _, name := range both(d.target.images, d.source.images) {
		t, here := d.target.images[name]
		s, there := d.source.images[name]
		of := cmp.Or(t.Deployment, s.Deployment)
		if d.target.deployments[of] == nil || d.source.deployments[of] == nil || d.alone("container "+cmp.Or(t.Container, s.Container)+" of "+of, here, there) {
			continue
		}
		names = append(names, name)
		sides = append(sides, &side{of: d.target, image: t}, &side{of: d.source, image: s})
	}
	for part := range slices.Chunk(sides, digestsAtOnce) {
		incident.Together(clock, len(part), func(i int) {
			s := part[i]
			if s.runs, s.why = running(s.image); len(s.image.Running) > 0 {
				return
			}
			found, err := digest(ctx, s.of.region, s.image.Reference)
			switch {
			case err != nil:
				s.why = fmt.Sprintf("nothing of it runs, and what its name stands for could not be read: %v", err)
			case found == "":
				s.why = "nothing of it runs, and what its name stands for is not told by a registry of that Region"
			default:
				s.runs, s.why = []string{found}, ""
			}
		})
	}
	for i, name := range names {
		t, s := sides[2*i], sides[2*i+1]
		switch {
		case t.why != "":
			d.unknown = append(d.unknown, fmt.Sprintf("the image of %s in %s: %s", name, t.of.region, t.why))
		case s.why != "":
			d.unknown = append(d.unknown, fmt.Sprintf("the image of %s in %s: %s", name, s.of.region, s.why))
		case !slices.Equal(t.runs, s.runs):
			d.differs["image of "+name] = fmt.Sprintf("%s in %s, %s in %s", shortened(t.runs), t.of.region, shortened(s.runs), s.of.region)
		}
	}
}

// running are the digests that a container runs, or why they are not known: a runtime may
// give a name of its own in their place.
func running(i Image) (digests []string, why string) {
	for _, id := range i.Running {
		_, digest, ok := strings.Cut(id, "@")
		if !ok {
			return nil, fmt.Sprintf("its pods do not tell a digest (%s)", id)
		}
		if !slices.Contains(digests, digest) {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests, ""
}

func shortened(digests []string) string {
	const enough = len("sha256:") + 12
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = d[:min(len(d), enough)]
	}
	return strings.Join(out, " and ")
}

// named are the ConfigMaps and Secrets that Deployments of both Regions name.
func (d *comparison) named() needs {
	out := needs{map[string]bool{}, map[string]bool{}}
	for _, s := range []*setup{d.target, d.source} {
		for _, one := range s.deployments {
			n := namedBy(&one.Spec.Template.Spec, true)
			maps.Copy(out.configMaps, n.configMaps)
			maps.Copy(out.secrets, n.secrets)
		}
	}
	return out
}

// compareConfigMaps compares them key by key. Some keys are different by nature: KEY in all,
// or NAME/KEY.
func (d *comparison) compareConfigMaps(different []string) {
	for _, name := range slices.Sorted(maps.Keys(d.named().configMaps)) {
		t, here := d.target.configMaps[name]
		s, there := d.source.configMaps[name]
		if d.alone("ConfigMap "+name, here, there) {
			continue
		}
		for _, key := range both(t, s) {
			if t[key] == s[key] || slices.Contains(different, key) || slices.Contains(different, name+"/"+key) {
				continue
			}
			what := "ConfigMap " + name + ", key " + key
			_, here := t[key]
			_, there := s[key]
			if !d.alone(what, here, there) {
				d.differs[what] = fmt.Sprintf("other values (digests %s in %s, %s in %s)", t[key], d.target.region, s[key], d.source.region)
			}
		}
	}
}

// compareSecrets compares what is known of them without their values.
func (d *comparison) compareSecrets() {
	names := slices.Sorted(maps.Keys(d.named().secrets))
	for _, s := range []*setup{d.target, d.source} {
		if s.unlisted != nil && len(names) > 0 {
			d.unknown = append(d.unknown, fmt.Sprintf("%s that Deployments name: %v (deploy/rbac-restore.yaml has the right)", text.Count(len(names), "Secret"), s.unlisted))
			return
		}
	}
	var unknown []string
	for _, name := range names {
		t, here := d.target.secrets[name]
		s, there := d.source.secrets[name]
		switch {
		case d.alone("Secret "+name, here, there):
		case !here:
		case t.keys != s.keys:
			d.differs["Secret "+name] = fmt.Sprintf("%s in %s, %s in %s", text.Count(t.keys, "key"), d.target.region, text.Count(s.keys, "key"), d.source.region)
		case t.hash == "" || len(t.hash) != len(s.hash): // of other kinds
			unknown = append(unknown, name)
		case t.hash != s.hash:
			d.differs["Secret "+name] = fmt.Sprintf("other values, as the External Secrets operator tells (%s in %s, %s in %s)", digestOf([]byte(t.hash)), d.target.region, digestOf([]byte(s.hash)), d.source.region)
		}
	}
	if len(unknown) > 0 {
		d.unknown = append(d.unknown, fmt.Sprintf("the values of %s, of which nobody keeps a digest: %s", text.Count(len(unknown), "Secret"), text.Some(unknown, shownDrift)))
	}
}

// compareScalers compares the bounds of autoscalers. A minimum below that of the Region that
// serves is raised by the run, and one above it is left: it is told, and does no harm.
func (d *comparison) compareScalers() {
	for _, name := range both(d.target.scalers, d.source.scalers) {
		t, s := d.target.scalers[name], d.source.scalers[name]
		if d.target.deployments[name] == nil || d.source.deployments[name] == nil || d.alone("autoscaler of "+name, t != nil, s != nil) {
			continue
		}
		if t.Spec.MaxReplicas != s.Spec.MaxReplicas {
			d.differs["autoscaler of "+name] = fmt.Sprintf("at most %d in %s, %d in %s", t.Spec.MaxReplicas, d.target.region, s.Spec.MaxReplicas, d.source.region)
		}
		if minimum(t) > minimum(s) {
			d.told = append(d.told, fmt.Sprintf("the minimum of %s is %d in %s and %d in %s, and stays so", name, minimum(t), d.target.region, minimum(s), d.source.region))
		}
	}
}

// Names in the evidence that are no differences.
const (
	driftUnknown  = "unknown"
	driftTold     = "told"
	driftCompared = "compared"
	driftMore     = "more"
)

// answer is the outcome; shown is the evidence of what was found before Go, nil of the look
// that finds it.
func (d *comparison) answer(shown map[string]string) engine.Outcome {
	o := engine.Outcome{Evidence: map[string]string{}}
	names := slices.Sorted(maps.Keys(d.differs))
	for _, name := range names[:min(len(names), keptDrift)] {
		o.Evidence[name] = d.differs[name]
	}
	if rest := names[len(o.Evidence):]; len(rest) > 0 {
		var all []string
		for _, name := range rest {
			all = append(all, name+": "+d.differs[name])
		}
		o.Evidence[driftMore] = fmt.Sprintf("%s (digest %s): %s", text.Count(len(rest), "more difference"), digestOf([]byte(strings.Join(all, "\n"))), strings.Join(rest, ", "))
	}
	var fresh []string
	for _, name := range slices.Sorted(maps.Keys(o.Evidence)) {
		if shown[name] != o.Evidence[name] {
			fresh = append(fresh, name+": "+o.Evidence[name])
		}
	}
	counted := fmt.Sprintf("%d Deployments, %d ConfigMaps and %d Secrets that they name, %d autoscalers", len(both(d.target.deployments, d.source.deployments)), len(d.named().configMaps), len(d.named().secrets), len(both(d.target.scalers, d.source.scalers)))
	o.Evidence[driftCompared] = counted
	if len(d.unknown) > 0 {
		o.Evidence[driftUnknown] = strings.Join(d.unknown, "; ")
	}
	if len(d.told) > 0 {
		o.Evidence[driftTold] = strings.Join(d.told, "; ")
	}
	o.Measured = incident.Measured{Verdict: incident.Pass, Figures: []incident.Figure{
		figure("differences", len(names), "differences", 0), {Name: "unknown", Value: float64(len(d.unknown)), Unit: "findings"},
	}}
	if shown != nil {
		o.Measured.Figures[0] = figure("differences that were not shown before Go", len(fresh), "differences", 0)
	}
	more := text.Some(slices.Concat(d.told, unknownIs(d.unknown)), shownDrift)
	switch {
	case len(fresh) > 0 && shown != nil:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s differs from what serves in %s otherwise than was shown before Go: %s", d.target.region, d.source.region, text.Some(fresh, shownDrift))
		return o
	case len(fresh) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s differs from what serves in %s (%s): %s", d.target.region, d.source.region, text.Count(len(names), "difference"), text.Some(fresh, shownDrift))
		if more != "" {
			o.Summary += "; " + more
		}
		return o
	case shown != nil:
		o.Summary = fmt.Sprintf("%s differs from what serves in %s in nothing that was not shown before Go", d.target.region, d.source.region)
		return o
	}
	o.Summary = fmt.Sprintf("%s is as what serves in %s: %s", d.target.region, d.source.region, counted)
	if more != "" {
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("nothing is known to differ between %s and what serves in %s; %s", d.target.region, d.source.region, more)
	}
	return o
}

func unknownIs(all []string) []string {
	out := make([]string, len(all))
	for i, what := range all {
		out[i] = "unknown: " + what
	}
	return out
}
