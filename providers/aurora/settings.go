package aurora

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// named is how the settings have to name what a rebuild made.
type named struct {
	global, cluster, arn string
	region               string
}

// named reads what was made.
func (r Rebuild) named(ctx context.Context, c engine.Call) (named, error) {
	b, err := r.begun(ctx, c)
	if err != nil {
		return named{}, err
	}
	region := c.Plan.Target.Name
	m := b.follower(region)
	if m == nil || b.undetached() != "" {
		return named{}, person("retry once it is made", "no new cluster follows %s in %s", b.source.DBCluster, region)
	}
	arn := aws.ToString(m.DBClusterArn)
	return named{b.id(), name(arn), arn, region}, nil
}

// lines are those of the settings that change, under platform.aurora.
func (n named) lines() []string {
	at := "regions." + n.region + "."
	return []string{"global_cluster: " + n.global, at + "db_cluster: " + n.cluster, at + "db_cluster_arn: " + n.arn}
}

func (n named) evidence() map[string]string {
	return map[string]string{"global_cluster": n.global, "db_cluster": n.cluster, "db_cluster_arn": n.arn}
}

// set says that settings name it.
func (n named) set(s Settings) bool {
	m := s.Regions[n.region]
	return s.GlobalCluster == n.global && m.DBCluster == n.cluster && m.DBClusterARN == n.arn
}

// Renamed tells which lines of the settings change: it finds what was made, and nothing else.
func (r Rebuild) Renamed(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	n, err := r.named(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: n.evidence(), Measured: incident.Measured{Verdict: incident.Pass, AsOf: r.clock.Now()}}
	o.Summary = fmt.Sprintf("The settings have to say under platform.aurora: %s", strings.Join(n.lines(), "; "))
	return o, true, nil
}

// InForce watches whether the settings with which the bot runs name what was made, and leaves
// it to people until they do: the next run would be of the cluster that was left behind.
func (r Rebuild) InForce(now func() runbook.Topology) func(context.Context, engine.Call) (engine.Outcome, bool, error) {
	return func(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
		n, err := r.named(ctx, c)
		if err != nil {
			return engine.Outcome{}, false, err
		}
		s, err := runbook.PartOf[Settings](now(), Platform.Key)
		if err != nil {
			return engine.Outcome{}, false, err
		}
		o := engine.Outcome{Evidence: n.evidence(), Measured: incident.Measured{Verdict: incident.Pass, AsOf: r.clock.Now()}}
		home := c.Plan.Topology.Home
		if n.set(s) {
			o.Summary = fmt.Sprintf("the settings name %s and %s", n.global, n.cluster)
			o.State = o.Summary
			return o, true, nil
		}
		way := fmt.Sprintf("then /failover start %s planned can move users there", n.region)
		if n.region == home {
			way = fmt.Sprintf("then /failover failback %s can go home", home)
		}
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("the settings do not name what was made yet: %s", strings.Join(n.lines(), "; "))
		o.State = o.Summary
		o.Task = &incident.TaskOpened{
			Owner: incident.RoleCommander, Title: fmt.Sprintf("Name %s and %s in the settings, and start the bot anew", n.global, n.cluster),
			Why:      fmt.Sprintf("under platform.aurora: %s; the bot's IAM policies name the database, too; %s", strings.Join(n.lines(), "; "), way),
			Evidence: n.evidence(),
		}
		return o, false, nil
	}
}
