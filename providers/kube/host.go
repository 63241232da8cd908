package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

const hostUndo = "give the service the host of the database that it had before"

// Hosts is where the services find their database, once it has moved. It asks the cloud.
type Hosts func(ctx context.Context, p *runbook.Plan) (string, error)

// HostInput is the input of Host.
type HostInput struct {
	// Service is the Deployment's name.
	Service string `yaml:"service" json:"service"`
	// From is the step that found the host, as "endpoint" of its evidence. Without it the
	// host is that of the target's own database.
	From string `yaml:"from,omitempty" json:"from,omitempty"`
}

// wanted is the host that the service is to have.
func (h Host) wanted(ctx context.Context, c engine.Call, in HostInput) (string, error) {
	if in.From == "" {
		return h.of(ctx, c.Plan)
	}
	o, _ := c.Result(in.From)
	if host := o.Evidence["endpoint"]; host != "" {
		return host, nil
	}
	return "", &incident.CallError{
		NeedsPerson: true, Definite: true, Err: fmt.Errorf("step %s found no host for %s", in.From, in.Service), Hint: "retry that step first",
	}
}

// Host gives a service of the target another host of the database, where the database is
// reached by another name from now on. It stands in a variable of the pod template, which
// the settings name, and rolls the pods.
type Host struct {
	*Kube
	of Hosts
}

// variable is one of a container, as it stands in a Deployment.
type variable struct {
	Container string `json:"container"`
	// Init: it is one of those that run before the others.
	Init  bool   `json:"init,omitempty"`
	Value string `json:"value"`
}

// hosted is what Host records of a service before it changes it.
type hosted struct {
	Service string     `json:"service"`
	Set     string     `json:"set"`
	Was     []variable `json:"was"`
}

// databaseEnv is the variable that the settings name; it is a fault if they name none.
func databaseEnv(p *runbook.Plan) (string, error) {
	own, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err == nil && own.DatabaseEnv == "" {
		err = &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("the settings do not name the variable that has the services' database host (platform.kube.database_env)"),
			Hint: "name it there and start anew, or give each service its new host by hand and go on without this step",
		}
	}
	return own.DatabaseEnv, err
}

// hostsOf are the places where a Deployment's pods are told the host, and why one of them
// cannot be set: it may come from elsewhere.
func hostsOf(d *appsv1.Deployment, env string) (all []variable, why string) {
	for _, group := range []struct {
		of   []corev1.Container
		init bool
	}{{d.Spec.Template.Spec.Containers, false}, {d.Spec.Template.Spec.InitContainers, true}} {
		for _, c := range group.of {
			for _, e := range c.Env {
				if e.Name != env {
					continue
				}
				if e.ValueFrom != nil {
					why = fmt.Sprintf("%s of container %s comes from %s", env, c.Name, origin(e.ValueFrom))
				}
				all = append(all, variable{c.Name, group.init, e.Value})
			}
		}
	}
	if len(all) == 0 {
		why = "it has no " + env + " of its own"
	}
	return all, why
}

// origin says where a variable's value comes from.
func origin(from *corev1.EnvVarSource) string {
	switch {
	case from.ConfigMapKeyRef != nil:
		return "ConfigMap " + from.ConfigMapKeyRef.Name
	case from.SecretKeyRef != nil:
		return "Secret " + from.SecretKeyRef.Name
	}
	return "the pod itself"
}

// values of some places, each once.
func values(all []variable) string {
	var out []string
	for _, p := range all {
		if !slices.Contains(out, p.Value) {
			out = append(out, p.Value)
		}
	}
	return orNone(strings.Join(out, ", "))
}

// own reads a service of the target and where it is told its database's host.
func (h Host) own(ctx context.Context, c engine.Call, service string) (dynamic.Interface, *appsv1.Deployment, []variable, error) {
	env, err := databaseEnv(c.Plan)
	if err != nil {
		return nil, nil, nil, err
	}
	client, target, err := h.in(c.Plan, c.Plan.Target)
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := h.Kube.deployment(ctx, client, target, service)
	if err != nil {
		return nil, nil, nil, err
	}
	all, why := hostsOf(d, env)
	if why != "" {
		return nil, nil, nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("%s in %s cannot be given another database host: %s", service, target.Name, why),
			Hint: "set it where it comes from and restart the service, then go on without this step",
		}
	}
	return client, d, all, nil
}

// Look reports whether the service's pods are told where the database is.
func (h Host) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in HostInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	wanted, err := h.wanted(ctx, c, in)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	_, d, all, err := h.own(ctx, c, in.Service)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Before: values(all), Evidence: map[string]string{"deployment": d.Name, "host": values(all), "wanted": wanted}}
	if !slices.ContainsFunc(all, func(p variable) bool { return p.Value != wanted }) {
		o.Summary = fmt.Sprintf("%s in %s is told %s", d.Name, c.Plan.Target.Name, wanted)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s in %s is told %s, not %s", d.Name, c.Plan.Target.Name, values(all), wanted)
	if o.Prior, err = json.Marshal(hosted{d.Name, wanted, all}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down the database host of %s: %w", d.Name, err)}
	}
	return o, false, nil
}

// Do sets it.
func (h Host) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	var in HostInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, err
	}
	wanted, err := h.wanted(ctx, c, in)
	if err != nil {
		return engine.Outcome{}, err
	}
	client, d, all, err := h.own(ctx, c, in.Service)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Before: values(all), Evidence: map[string]string{"deployment": d.Name, "host": wanted}}
	for i := range all {
		all[i].Value = wanted
	}
	if err := h.set(ctx, c, client, d, all); err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("%s in %s is told %s (before: %s)", d.Name, c.Plan.Target.Name, wanted, o.Before)
	return o, nil
}

// set writes variables into the pod template, and nothing else of it.
func (h Host) set(ctx context.Context, c engine.Call, client dynamic.Interface, d *appsv1.Deployment, all []variable) error {
	env, err := databaseEnv(c.Plan)
	if err != nil {
		return err
	}
	spec := map[string]any{}
	for _, p := range all {
		list := "containers"
		if p.Init {
			list = "initContainers"
		}
		of, _ := spec[list].([]any)
		spec[list] = append(of, map[string]any{"name": p.Container, "env": []any{map[string]any{"name": env, "value": p.Value}}})
	}
	// Containers and their variables are merged by name.
	data, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": d.ResourceVersion},
		"spec":     map[string]any{"template": map[string]any{"spec": spec}},
	})
	if err != nil {
		return &incident.CallError{Err: fmt.Errorf("write the patch of %s: %w", d.Name, err), NeedsPerson: true}
	}
	_, err = client.Resource(deployments).Namespace(d.Namespace).Patch(ctx, d.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{FieldManager: fieldManager})
	if err = sorted(ctx, err, true); err != nil {
		return fmt.Errorf("set %s of %s in %s: %w", env, d.Name, c.Plan.Target.Name, of(err, cluster{Name: c.Plan.Target.Name}))
	}
	return nil
}

// Effect says what would happen now.
func (h Host) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	var in HostInput
	if err := c.With(&in); err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: hostUndo,
		What:  fmt.Sprintf("give %s in %s the present host of the database", in.Service, c.Plan.Target.Name),
		Bound: "database host of " + c.Plan.Target.Name + "/" + in.Service,
	}, nil
}

// back reads how a service stands to what was recorded. It is a fault if somebody else
// changed it since.
func (h Host) back(ctx context.Context, c engine.Call, prior json.RawMessage) (r hosted, client dynamic.Interface, d *appsv1.Deployment, all []variable, err error) {
	if r, err = engine.Recorded[hosted](prior); err != nil {
		return r, nil, nil, nil, err
	}
	if client, d, all, err = h.own(ctx, c, r.Service); err != nil {
		return r, nil, nil, nil, err
	}
	for _, p := range all {
		if p.Value == r.Set || slices.Contains(r.Was, p) {
			continue
		}
		return r, client, d, all, c.Meanwhile(engine.Difference{
			What: fmt.Sprintf("the database host of %s in %s", r.Service, c.Plan.Target.Name), Now: values(all), Set: r.Set, Was: values(r.Was),
		})
	}
	return r, client, d, all, nil
}

// LookBack reports whether the service has the host that it had.
func (h Host) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	r, _, d, all, err := h.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"deployment": d.Name, "host": values(all), "host_before": values(r.Was)}}
	o.Summary = fmt.Sprintf("%s in %s is told %s; before it was %s", d.Name, c.Plan.Target.Name, values(all), values(r.Was))
	return o, slices.Equal(all, r.Was), nil
}

// Back gives it that host again.
func (h Host) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	r, client, d, _, err := h.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"deployment": d.Name, "host": values(r.Was)}}
	if err := h.set(ctx, c, client, d, r.Was); err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("%s in %s is told %s again", d.Name, c.Plan.Target.Name, values(r.Was))
	return o, nil
}

// Settable checks that every service of the target is told its database's host in a way
// that a run can change, and that nothing sets it back.
func (h Host) Settable(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Pass, AsOf: h.clock.Now()}, Evidence: map[string]string{}}
	env, err := databaseEnv(c.Plan)
	if err != nil {
		return o, false, err
	}
	client, target, err := h.in(c.Plan, c.Plan.Target)
	if err != nil {
		return o, false, err
	}
	all, err := h.deployments(ctx, client, target)
	if err != nil {
		return o, false, err
	}
	var wrong []string
	var kept []held
	for _, s := range c.Plan.Topology.Services {
		i := slices.IndexFunc(all, func(d appsv1.Deployment) bool { return d.Name == s.Name })
		if i < 0 {
			wrong = append(wrong, s.Name+" is not there")
			continue
		}
		d := &all[i]
		hosts, why := hostsOf(d, env)
		if why != "" {
			wrong = append(wrong, s.Name+": "+why)
			continue
		}
		o.Evidence[s.Name] = values(hosts)
		if keeps, ok := keeperOf(d, target, "spec", "template", "spec", "containers"); ok {
			kept = append(kept, held{keeps, env + " of " + d.Name, 1, false})
		}
	}
	if kept, err = h.unpaused(ctx, client, target, kept, o.Evidence); err != nil {
		return o, false, err
	}
	switch {
	case len(wrong) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("services in %s cannot be told another database host: %s", target.Name, strings.Join(wrong, "; "))
		return o, false, nil
	case len(kept) > 0:
		o.Measured.Verdict = incident.Warn
		by := map[keeper][]held{}
		var order []keeper
		for _, k := range kept {
			if by[k.keeper] == nil {
				order = append(order, k.keeper)
			}
			by[k.keeper] = append(by[k.keeper], k)
		}
		var warn []string
		for _, k := range order {
			warn = append(warn, k.warns(by[k]))
		}
		o.Summary = strings.Join(warn, "; ")
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s in %s can be told another database host", text.Count(len(c.Plan.Topology.Services), "service"), target.Name)
	return o, true, nil
}
