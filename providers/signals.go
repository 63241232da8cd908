package providers

import (
	"slices"

	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/cloudwatch"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/elb"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/probe"
)

// Signals is everything that is watched while no incident is open. It reads and changes
// nothing. control are addresses, host:port, that lie in neither Region, by which it is known
// whether the bot itself is cut off; without any they are the resolvers of the settings.
func Signals(e Connections, control []string) []detect.Reader {
	w := wired(e)
	from := dns.Control
	if len(control) > 0 {
		from = func(runbook.Topology) []string { return control }
	}
	return slices.Concat(
		probe.Signals(w.Dial, w.servers.Authoritative, w.Clock, from),
		dns.Signals(w.servers, w.shift),
		cloudwatch.Signals(cloudwatch.New(w.aws, w.reads, cloudwatch.Balancers{ARN: elb.ARN, Groups: w.balancers.Groups}, w.Clock)),
		w.databases.Signals(),
		pagerduty.Signals(w.pager, w.Clock),
	)
}
