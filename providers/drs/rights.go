package drs

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// may are the rights to do that to any server of a Region: policies name none of them, for
// they come and go. kinds are the kinds of what it is done to, as ARNs have them.
func may(r runbook.Region, does, service string, kinds ...string) []engine.Right {
	on := make([]string, len(kinds))
	for i, kind := range kinds {
		on[i] = "arn:" + r.Partition() + ":" + service + ":" + r.Name + ":" + engine.Account + ":" + kind + "/*"
	}
	return engine.ByIAM(r.Name, does, on...)
}

// mayReverse are the rights to reverse the replication where the servers run.
func mayReverse(c engine.Call) ([]engine.Right, error) {
	var in ReverseInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	r := c.Plan.Source
	if in.Launched {
		r = c.Plan.Target
	}
	return may(r, "drs:ReverseReplication", "drs", "recovery-instance"), nil
}

// mayFreeze are the rights to take servers out of their target groups.
func mayFreeze(c engine.Call) ([]engine.Right, error) {
	return may(c.Plan.Source, "elasticloadbalancing:DeregisterTargets", "elasticloadbalancing", "targetgroup"), nil
}

// mayLaunch are the rights to have servers launched. What the launch itself does in EC2 is
// done by the service.
func mayLaunch(c engine.Call) ([]engine.Right, error) {
	return may(c.Plan.Target, "drs:StartRecovery", "drs", "source-server"), nil
}

// mayLead are the rights to lead users to what was launched.
func mayLead(c engine.Call) ([]engine.Right, error) {
	return may(c.Plan.Target, "elasticloadbalancing:RegisterTargets", "elasticloadbalancing", "targetgroup"), nil
}

// mayStop are the rights to stop the servers that users have left.
func mayStop(c engine.Call) ([]engine.Right, error) {
	return may(c.Plan.Source, "ec2:StopInstances", "ec2", "instance"), nil
}
