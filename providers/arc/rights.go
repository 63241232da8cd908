package arc

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Rights are those to set both routing controls, without overriding a safety rule.
func (a *ARC) Rights(c engine.Call) ([]engine.Right, error) {
	s, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return nil, err
	}
	out := engine.ByIAM(c.Plan.Target.Name, "route53-recovery-cluster:UpdateRoutingControlStates",
		s.Regions[c.Plan.Source.Name].RoutingControl, s.Regions[c.Plan.Target.Name].RoutingControl)
	for i := range out {
		out[i].Given = "route53-recovery-cluster:AllowSafetyRulesOverrides=false"
	}
	return out, nil
}
