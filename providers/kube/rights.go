package kube

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// What is patched, with its group.
const (
	onScale       = "deployments.apps/scale"
	onDeployments = "deployments.apps"
	onAutoscalers = "horizontalpodautoscalers.autoscaling"
	onCronJobs    = "cronjobs.batch"
)

// patches are the rights to patch those objects in a Region.
func patches(p *runbook.Plan, region, on string, names ...string) ([]engine.Right, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return nil, err
	}
	return engine.ByKubernetes(region, s.Regions[region].Namespace, "patch", on, names...), nil
}

// resizes are the rights to set the size of a service, and its autoscaler's minimum first.
func resizes(c engine.Call, region, name string) ([]engine.Right, error) {
	first, err := patches(c.Plan, region, onAutoscalers, name)
	if err != nil {
		return nil, err
	}
	then, err := patches(c.Plan, region, onScale, name)
	return append(first, then...), err
}

// Rights are those to bring the service to its size.
func (s Scale) Rights(c engine.Call) ([]engine.Right, error) {
	var in ScaleInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	return resizes(c, c.Plan.Target.Name, in.Service)
}

// Rights are those to bring the service to its size in a standby.
func (r Rest) Rights(c engine.Call) ([]engine.Right, error) {
	var in RestInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	return resizes(c, c.Plan.Source.Name, in.Service)
}

// Rights are those to stop every service that writes.
func (f Fence) Rights(c engine.Call) ([]engine.Right, error) {
	var names []string
	for _, s := range c.Plan.Topology.Services {
		if s.Writes {
			names = append(names, s.Name)
		}
	}
	return patches(c.Plan, c.Plan.Source.Name, onScale, names...)
}

// Rights are those to suspend or resume what runs in one Region alone.
func (s Single) Rights(c engine.Call) ([]engine.Right, error) {
	own, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return nil, err
	}
	region := c.Plan.Source.Name
	if s.Runs {
		region = c.Plan.Target.Name
	}
	jobs, err := patches(c.Plan, region, onCronJobs, own.CronJobs...)
	if err != nil {
		return nil, err
	}
	consumers, err := patches(c.Plan, region, onScale, own.Consumers...)
	return append(jobs, consumers...), err
}

// Rights are those to give the service another host of the database.
func (h Host) Rights(c engine.Call) ([]engine.Right, error) {
	var in HostInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	return patches(c.Plan, c.Plan.Target.Name, onDeployments, in.Service)
}

// Rights are those to roll the service's pods.
func (r Restart) Rights(c engine.Call) ([]engine.Right, error) {
	var in RestartInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	return patches(c.Plan, c.Plan.Target.Name, onDeployments, in.Service)
}
