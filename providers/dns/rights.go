package dns

import "github.com/failoverbot/failoverbot/incident/engine"

// maySet are the rights to set a health check of the Region that those names are of.
func maySet(partition, id string) []engine.Right {
	return engine.ByIAM(controlPlanes[partition], "route53:UpdateHealthCheck", "arn:"+partition+":route53:::healthcheck/"+id)
}

// Rights are those to move users away from the Region that is left.
func (s *Shift) Rights(c engine.Call) ([]engine.Right, error) {
	d, err := leaving(c.Plan)
	if err != nil {
		return nil, err
	}
	return maySet(c.Plan.Target.Partition(), d.HealthCheck), nil
}

// Rights are those to set the flags of the check.
func (r Restore) Rights(c engine.Call) ([]engine.Right, error) {
	d, err := arriving(c.Plan)
	if err != nil {
		return nil, err
	}
	return maySet(c.Plan.Target.Partition(), r.of(d.Checks)), nil
}

// Rights are those to change the record sets of the zone. A policy may narrow them down to
// names and types, which the call brings along.
func (r Record) Rights(c engine.Call) ([]engine.Right, error) {
	s, err := settingsOf(c.Plan.Topology)
	if err != nil {
		return nil, err
	}
	partition := c.Plan.Target.Partition()
	return engine.ByIAM(controlPlanes[partition], "route53:ChangeResourceRecordSets", "arn:"+partition+":route53:::hostedzone/"+s.Zone), nil
}
