package drs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// stopLeaves is why a stop is not taken back.
	stopLeaves = "nobody uses what was stopped: it is kept as it was when users left it, and is started by hand where somebody wants to look at it"
	stopUndo   = "nothing to take back: " + stopLeaves
)

// StopInput is the input of Stop.
type StopInput struct {
	// Servers is the step that found which they are.
	Servers string `yaml:"servers" json:"servers"`
}

// running are those of the servers that run, or are about to, in the Region that is left.
func (d *DRS) running(ctx context.Context, c engine.Call) (all, on []string, err error) {
	var in StopInput
	if err := c.With(&in); err != nil {
		return nil, nil, err
	}
	if all, err = found(c, in.Servers); err != nil {
		return nil, nil, err
	}
	machines, err := d.described(ctx, c.Plan.Source.Name, all)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range all {
		if s := machines[id].state; s == ec2types.InstanceStateNameRunning || s == ec2types.InstanceStateNamePending {
			on = append(on, id)
		}
	}
	return all, on, nil
}

// Stop reports whether none of the servers runs in the Region that was left.
func (d *DRS) Stop(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	all, on, err := d.running(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"servers": strings.Join(all, ", "), "running": none(strings.Join(on, ", "))}}
	o.Summary = fmt.Sprintf("none of %s runs in %s any more", text.Count(len(all), "server"), c.Plan.Source.Name)
	if len(on) > 0 {
		o.Summary = fmt.Sprintf("%d of %s run in %s: %s", len(on), text.Count(len(all), "server"), c.Plan.Source.Name, text.Some(on, shown))
	}
	return o, len(on) == 0, nil
}

// StopDo stops those that run, and keeps them.
func (d *DRS) StopDo(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	_, on, err := d.running(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	region := c.Plan.Source.Name
	o := engine.Outcome{Evidence: map[string]string{"stopped": none(strings.Join(on, ", "))}}
	for batch := range slices.Chunk(on, atOnce) {
		if _, err := d.machines(region).StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: batch}, func(o *ec2.Options) { o.Retryer = awserr.Once() }); err != nil {
			return o, fmt.Errorf("stop %s in %s: %w", text.Count(len(batch), "server"), region, awserr.Sort(ctx, err))
		}
	}
	o.Summary = fmt.Sprintf("stopped in %s, and kept: %s", region, text.Some(on, shown))
	if len(on) == 0 {
		o.Summary = "none of the servers ran in " + region
	}
	return o, nil
}

// StopEffect says what would happen now.
func (d *DRS) StopEffect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	all, on, err := d.running(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, What: fmt.Sprintf("stop %s in %s, which users have left, and keep them", text.Count(len(on), "server"), c.Plan.Source.Name),
		Undo: stopUndo, Bound: "stop " + strings.Join(all, " ") + " in " + c.Plan.Source.Name,
	}, nil
}
