//go:build real

package rehearsal

import (
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// Two people move the platform out and home again, by clicking and typing. The panel of
// the world ends as it began.
func TestTwoPeopleGoHomeByClickingAndTyping(t *testing.T) {
	t.Parallel() // it mostly waits for pretend time
	b := openChromium(t)
	r := rehearsing(t, "failover-then-failback")
	pics := b.folder("failback")
	alice, bob := b.open("Alice", pics), b.open("Bob", pics)
	alice.visit(r.slack.URL())
	bob.visit(r.slack.URL())
	bob.click("#who button", "BBob")
	alice.until("the bot", `document.querySelector('#link.up')`)
	alice.click("#worldButton", "")
	alice.until("the world", `document.querySelectorAll('#world .region').length === 2`)

	// What the scenario itself does to the Region is over before they begin.
	b.must(r.world.Happen(sim.Event{Degrade: &sim.Degrade{Region: "us-east-1"}}))
	const panel = `[...document.querySelectorAll('#world .region')].map((e) => e.textContent.replace(/\s+/g, ' ')).join('|')`
	alice.until("the Region to be well", `!(`+panel+`).includes('half works')`)
	var began string
	b.must(alice.eval(panel, &began))
	alice.picture("1-before")

	move := func(command, region string) {
		t.Helper()
		alice.say(command)
		alice.until("Go", `[...document.querySelectorAll('#messages .b')].some((e) => e.textContent === 'Go')`)
		alice.picture(region + "-1-go")
		alice.click("#messages .b", "Go")
		r.clock.SetSpeed(10)
		bob.until("a question for Bob", `document.querySelector('#waits .b')`)
		r.clock.SetSpeed(4)
		bob.click("#waits .b", "Show")
		bob.picture(region + "-2-approval")
		bob.click("#messages .b", "Approve")
		bob.until("the form", `document.querySelector('#modal[open] input')`)
		bob.click("#modal input", "")
		bob.write(region)
		bob.click("#modal .foot .primary", "")
		bob.until("the question to be answered", `!document.querySelector('#modal[open]') && !document.querySelector('#waits .b')`)
		r.clock.SetSpeed(10)
		alice.until("users in "+region, `[...document.querySelectorAll('#world .region')].some((e) => e.textContent.trim().startsWith('`+region+`') && e.textContent.includes('100 % of requests land here'))`)
		r.clock.SetSpeed(30) // what is left can wait
		alice.until("what is left to do", `document.querySelector('#waits').textContent.includes('is to be resolved')`)
		r.clock.SetSpeed(4)
		alice.picture(region + "-3-mitigated")
		alice.click("#messages .b", "Resolve")
		alice.until("that nobody is waited for", `!document.querySelector('#waits').textContent.includes('is to be resolved')`)
	}
	move("/failover start us-west-2 planned SEV-1 a third of the orders in us-east-1 fails", "us-west-2")
	var away string
	b.must(alice.eval(panel, &away))
	if away == began {
		t.Error("the panel shows nothing of the move")
	}
	move("/failover failback us-east-1 it is well again", "us-east-1")

	slacktest.Until(t, "the second incident to be resolved", func() bool {
		id, err := r.current(t.Context())
		b.must(err)
		events, err := r.record.Read(t.Context(), id, 0, 0)
		b.must(err)
		s := incident.Fold(events)
		return s.Kind == incident.Failback && !s.ResolvedAt.IsZero()
	})
	if faults := r.world.Check(); len(faults) > 0 {
		t.Errorf("the world is not as it should be: %v", faults)
	}
	var ended string
	r.clock.SetSpeed(10)
	last := r.clock.Now().Add(time.Minute) // pods that came last are ready
	slacktest.Until(t, "a minute", func() bool { return r.clock.Now().After(last) })
	alice.until("the panel to be drawn", `document.querySelectorAll('#world .region').length === 2`)
	b.must(alice.eval(panel, &ended))
	if ended != began {
		t.Errorf("the panel was\n%s\nand is\n%s", began, ended)
	}
	alice.picture("9-home")
	if r.clock.Speed() == sim.Max {
		t.Error("time ran at top speed")
	}
}
