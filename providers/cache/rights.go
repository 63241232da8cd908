package cache

import "github.com/failoverbot/failoverbot/incident/engine"

// may are the rights to have the target's side lead. IAM judges the datastore and both sides.
func may(c engine.Call) ([]engine.Right, error) {
	s, err := part(c.Plan)
	if err != nil {
		return nil, err
	}
	arn := "arn:" + c.Plan.Target.Partition() + ":elasticache:"
	side := func(region string) string {
		return arn + region + ":" + engine.Account + ":replicationgroup:" + s.Regions[region].CacheGroup
	}
	return engine.ByIAM(c.Plan.Target.Name, "elasticache:FailoverGlobalReplicationGroup",
		arn+":"+engine.Account+":globalreplicationgroup:"+s.GlobalGroup, side(c.Plan.Source.Name), side(c.Plan.Target.Name)), nil
}
