package istio

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have looked at of the mesh. The arguments are those of
// [New].
func Actions(cluster Cluster, clock incident.Clock) engine.Catalog {
	i := New(cluster, clock)
	return engine.Catalog{
		"istio.proxies": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until each pod of the services has a proxy, all of one version and with the newest configuration of istiod",
				Home:  "target",
			},
			Look:  i.Proxies,
			Every: 5 * time.Second,
		},
	}
}
