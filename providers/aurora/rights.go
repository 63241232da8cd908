package aurora

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// may are the rights to change which of its clusters is the global database's writer, asked
// for in that one of the plan's Regions. IAM judges each of the three.
func may(does string, in func(p *runbook.Plan) runbook.Region) func(c engine.Call) ([]engine.Right, error) {
	return func(c engine.Call) ([]engine.Right, error) {
		d, err := part(c.Plan)
		if err != nil {
			return nil, err
		}
		global := "arn:" + c.Plan.Target.Partition() + ":rds::" + engine.Account + ":global-cluster:" + d.GlobalCluster
		return engine.ByIAM(in(c.Plan).Name, does, global, d.source.DBClusterARN, d.target.DBClusterARN), nil
	}
}

func inSource(p *runbook.Plan) runbook.Region { return p.Source }
func inTarget(p *runbook.Plan) runbook.Region { return p.Target }

// mayKeep are the rights to copy snapshots in the target.
func mayKeep(c engine.Call) ([]engine.Right, error) {
	r := c.Plan.Target
	return engine.ByIAM(r.Name, "rds:CopyDBClusterSnapshot", "arn:"+r.Partition()+":rds:"+r.Name+":"+engine.Account+":cluster-snapshot:*"), nil
}

// mayRebuild are the rights to make a change of a rebuild in that one of the plan's Regions:
// on the global database and the cluster of the settings, or where it makes something, on
// those of the names that a rebuild gives. IAM judges each.
func mayRebuild(does string, in func(p *runbook.Plan) runbook.Region, on ...func(rebuilt) string) func(c engine.Call) ([]engine.Right, error) {
	return func(c engine.Call) ([]engine.Right, error) {
		d, err := part(c.Plan)
		if err != nil {
			return nil, err
		}
		var arns []string
		for _, arn := range on {
			arns = append(arns, arn(rebuilt{c.Plan, d}))
		}
		return engine.ByIAM(in(c.Plan).Name, does, arns...), nil
	}
}

// rebuilt is a plan of a rebuild with what the settings call its databases.
type rebuilt struct {
	plan *runbook.Plan
	database
}

func (r rebuilt) arn(of string) string {
	return "arn:" + r.plan.Target.Partition() + ":rds:" + of
}

func oldGlobal(r rebuilt) string {
	return r.arn(":" + engine.Account + ":global-cluster:" + r.GlobalCluster)
}
func newGlobal(r rebuilt) string { return oldGlobal(r) + "-*" }
func serving(r rebuilt) string   { return r.source.DBClusterARN }
func orphan(r rebuilt) string    { return r.target.DBClusterARN }
func newCluster(r rebuilt) string {
	return orphan(r) + "-*"
}

func newInstance(r rebuilt) string {
	return r.arn(r.plan.Target.Name + ":" + engine.Account + ":db:" + r.target.DBCluster + "-*")
}
