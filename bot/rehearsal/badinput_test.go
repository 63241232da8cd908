package rehearsal

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// badWay is something that is not as a move, or the way back from it, needs it.
type badWay struct {
	name string
	// world makes it so, and mend ends it; nil: nothing has to be done for it.
	world, mend func(s *sim.State)
	// says are the reason and the next step, as people read them.
	says []string
}

// gates are what the checks of the way back find. Go is not given then: it is paused, with
// what is missing and what it comes to when somebody goes past it.
var gates = []badWay{
	{
		"the database of home is made anew",
		func(s *sim.State) { home(s).Sync, home(s).ResyncAt = "pending-resync", s.At.Add(24*time.Hour) },
		func(s *sim.State) { home(s).Sync, home(s).ResyncAt = "connected", time.Time{} },
		[]string{"ecommerce-primary can be promoted", "pending-resync", "The promotion may be refused or take much longer"},
	},
	{
		"it lags behind more than the policy lets it",
		func(s *sim.State) { s.Database.LagMS = 45_000 },
		func(s *sim.State) { s.Database.LagMS = 180 },
		[]string{"Replication lag", "The database may stand still for as long as the standby takes to catch up"},
	},
	{
		"its version is another one",
		func(s *sim.State) { home(s).Version = "16.4" },
		func(s *sim.State) { home(s).Version = "16.6" },
		[]string{"it has version 16.4 and ecommerce-global has 16.6, and only the same can be promoted"},
	},
	{
		"it has no instance",
		func(s *sim.State) { home(s).Instances = 0 },
		func(s *sim.State) { home(s).Instances = 2 },
		[]string{"ecommerce-primary in us-east-1 cannot take over: it has no instance"},
	},
}

// home is the member of the database at home.
func home(s *sim.State) *sim.DBMember {
	return &s.Database.Members[slices.IndexFunc(s.Database.Members, func(m sim.DBMember) bool { return m.Region == "us-east-1" })]
}

// changed are the calls that changed the world.
func (d *drill) changed() (out []string) {
	for _, c := range d.r.world.Calls() {
		if c.Applied && c.System != "http" {
			out = append(out, c.Operation+" "+c.Target)
		}
	}
	return out
}

// do changes the world.
func (d *drill) do(change func(s *sim.State)) {
	d.t.Helper()
	if change == nil {
		return
	}
	if err := d.r.world.Do(change); err != nil {
		d.t.Fatal(err)
	}
}

// passes lets pretend time pass.
func (d *drill) passes(long time.Duration) {
	d.t.Helper()
	slept := make(chan error, 1)
	go func() { slept <- d.r.clock.Sleep(d.t.Context(), long) }()
	resume := d.r.clock.Idle()
	err := <-slept
	resume()
	if err != nil {
		d.t.Fatal(err)
	}
}

// says wants each of these parts in what people read.
func (d *drill) says(read string, parts ...string) {
	d.t.Helper()
	for _, part := range parts {
		if !strings.Contains(read, part) {
			d.t.Errorf("it does not say %q:\n%s", part, read)
		}
	}
}

// posted waits for something that everybody sees and that says so.
func (d *drill) posted(says string) string {
	d.t.Helper()
	n := d.News("a message that says "+says, func(n slacksim.News) bool {
		return n.For == "" && n.Message != nil && strings.Contains(slacktest.Shown(n.Message), says)
	})
	return slacktest.Shown(n.Message)
}

// leaves calls the open run off, and is the end of its incident.
func (d *drill) leaves(why string) {
	d.t.Helper()
	if out := d.Do(alice, "command", slacksim.Deed{Text: "/failover abort leave"}); !out.OK {
		d.t.Fatalf("abort: %s %s", out.Error, out.Reason)
	}
	if out := d.Do(alice, "submit", slacksim.Deed{ViewID: d.window(alice), Values: map[string]map[string]any{"reason": {"value": why}}}); !out.OK {
		d.t.Fatalf("the form is answered %+v", out)
	}
	d.posted("*aborted*")
	d.over()
}

// over is the end of the incident that is open.
func (d *drill) over() {
	d.t.Helper()
	d.says(d.Ask(alice, "/failover resolve"), "esolved")
}

// moves carries a run to its approval, once it was begun, and lets it go on.
func (d *drill) moves(region string) {
	d.t.Helper()
	d.press(alice, d.button("fo.go"))
	d.press(bob, d.button("fo.approve"))
	if out := d.Do(bob, "submit", slacksim.Deed{ViewID: d.window(bob), Values: confirms(region)}); !out.OK {
		d.t.Fatalf("the form is answered %+v", out)
	}
}

// started is a rehearsal of a scenario with a strategy of its own.
func started(t *testing.T, strategy string) *drill {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", "failover-then-failback.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if strategy != "" {
		text = strings.Replace(text, "events:\n", "start:\n  strategy: "+strategy+"\n\nevents:\n", 1)
	}
	file := filepath.Join(t.TempDir(), "bad-input.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := raised(t, file)
	return d
}

// Whatever is wrong with the way back is refused, or it stops there, with the reason and
// what to do about it, and nothing was changed.
func TestABadWayBackIsSaidAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := started(t, "")
	d.says(d.Ask(alice, "/failover failback us-east-1 it is well"), "us-east-1 serves users now", "Nothing has to go back there")
	d.Ask(alice, "/failover start us-west-2 planned SEV-1 orders are slow")
	d.moves("us-west-2")
	d.posted("*mitigated*")
	d.over()
	d.do(func(s *sim.State) { s.Regions["us-east-1"].Degraded = nil })

	before := d.changed()
	same := func() {
		d.t.Helper()
		if now := d.changed(); len(now) != len(before) {
			d.t.Errorf("the world was changed: %q", now[len(before):])
		}
	}
	for _, one := range []struct {
		name, command string
		says          []string
	}{
		{"to the Region that is active, as a start", "/failover start us-west-2 planned it is well", []string{"us-west-2 has been the active Region since", "`/failover failback us-east-1`"}},
		{"to the Region that is active, as a failback", "/failover failback us-west-2 it is well", []string{"A failback leads to us-east-1, where the platform is at home, and us-west-2 is not"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			d.t = t
			d.says(d.Ask(alice, one.command), one.says...)
			same()
		})
	}
	for _, one := range gates {
		t.Run(one.name, func(t *testing.T) {
			d.t = t
			d.do(one.world)
			d.passes(3 * time.Minute) // figures are a minute or two behind
			d.Ask(alice, "/failover failback us-east-1 it is well")
			d.button("fo.go_override")
			d.says(d.Ask(alice, "/failover readiness")+"\n"+d.Ask(alice, "/failover go"), append(one.says, "go-override")...)
			d.says(d.Ask(bob, "/failover failback us-east-1 me too"), "is open (us-west-2 -> us-east-1", "`/failover abort` stops it")
			same()
			d.leaves("it cannot go home yet")
			d.do(one.mend)
			same()
		})
	}
	d.t = t
	t.Run("users who do not leave, and a snapshot that expired", func(t *testing.T) {
		d.t = t
		d.do(func(s *sim.State) {
			s.Regions["us-west-2"].Staying = 40
			s.Database.Events = append(s.Database.Events, sim.DBEvent{At: s.At, Region: "us-west-2", Source: "ecommerce-secondary", Message: "Global failover to DB cluster ecommerce-secondary completed."})
		})
		d.Ask(alice, "/failover failback us-east-1 it is well")
		d.moves("us-east-1")
		d.says(d.posted("not so after 20m0s"), "Nobody arrives in us-west-2 any more", "requests that us-west-2 has received within 4 min: ", "keep waiting · go on without it (say why) · stop the run")
		d.says(d.Ask(alice, "/failover status"),
			"Open: Find what us-west-2 never received without a snapshot: there is none (`lost-writes`)", "for <@U0ALICE>",
			"compare the orders of us-west-2 with what others have of them: payments, queues, logs, mails", "`/failover close-point lost-writes REASON`")
		s := incident.Fold(d.events())
		if f := s.Step("quiet"); f.Status != incident.Failed || !s.Step("rest/order-service").Started.IsZero() {
			t.Errorf("it is made a standby although users arrive: %v, begun at %v", f.Status, s.Step("rest/order-service").Started)
		}
	})
}

// The same of what stands in the way of one way to move users alone.
func TestAWayToMoveUsersThatIsBadIsSaidAndChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("a record set that somebody changed since", func(t *testing.T) {
		d := started(t, "record-change")
		d.do(func(s *sim.State) {
			for i, r := range s.DNS.Records {
				if aws.ToString(r.Name) == "api.ecommerce.com." && r.AliasTarget != nil {
					at := *r.AliasTarget
					at.DNSName = aws.String("somewhere.example.com.")
					s.DNS.Records[i].AliasTarget = &at
				}
			}
		})
		before := d.changed()
		d.Ask(alice, "/failover start us-west-2 planned SEV-1 orders are slow")
		d.button("fo.go_override")
		d.says(d.Ask(alice, "/failover readiness")+"\n"+d.Ask(alice, "/failover go"), "leads to somewhere.example.com, which is neither us-east-1's nor us-west-2's")
		if now := d.changed(); len(now) != len(before) {
			t.Errorf("the world was changed: %q", now)
		}
	})
	t.Run("a safety rule that refuses", func(t *testing.T) {
		d := started(t, "routing-control")
		d.do(func(s *sim.State) { s.Controls.Refuses = "maintenance-gate" })
		before := maps.Clone(d.r.world.Snapshot().Controls.States)
		d.Ask(alice, "/failover start us-west-2 planned SEV-1 orders are slow")
		d.moves("us-west-2")
		d.says(d.posted("does not satisfy safety rule maintenance-gate"), "read what it says, set what the rule asks for, then retry", "The bot overrides no safety rule")
		if now := d.r.world.Snapshot().Controls.States; !maps.Equal(now, before) || d.r.world.Applied("UpdateRoutingControlStates") != 0 {
			t.Errorf("the controls were turned: %v, before %v", now, before)
		}
	})
}
