package commands

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func yes(person, on string) Ask {
	return Ask{Via: by(person), Verb: "approve", On: on, Values: map[string]string{"confirm": " us-west-2 "}}
}

func TestSomebodyElseApprovesWithTheRegionTyped(t *testing.T) {
	for name, ask := range map[string]Ask{
		"by form":           yes(bob, "q1"),
		"typed":             {Via: by(bob), Verb: "approve", Text: "us-west-2"},
		"typed with a step": {Via: by(carol), Verb: "approve", Text: "promote-database us-west-2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := promoting(t)
			if added := r.added(func() { contains(t, r.ask(ask).Text, "Approved: “Promote the database”") }); added != "ApprovalGiven" {
				t.Errorf("appended %s", added)
			}
			s := r.state()
			if st := s.Step("promote-database"); by(st.ApprovedBy) != ask.Via || s.Questions["q1"].Open {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestTheFormShowsTheExactEffect(t *testing.T) {
	r := promoting(t)
	a := r.ask(Ask{Via: by(bob), Verb: "approve", On: "q1", CanForm: true})
	if a.Form == nil || a.Form.On != "q1" || a.Form.Incident != "INC-2026-0001" || len(a.Form.Fields) != 1 || a.Form.Fields[0].Name != "confirm" {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Form.Text, "FailoverGlobalCluster to ecommerce-secondary", "about 1.8 s of writes", "not at once")
	if r.engine.reads != 0 {
		t.Error("opening a form read the world; it has to open at once")
	}
}

func TestEverythingThatOneYesCoversIsInTheForm(t *testing.T) {
	one := incident.Effect{What: "the writer moves", Lost: "1.8 s of writes"}
	for want, q := range map[string]*incident.Question{
		"What happens  the writer moves\nWhat may be lost  1.8 s of writes": {ApprovalAsked: incident.ApprovalAsked{Effects: []incident.Effect{one}}},
		"What happens, 1 of 2  the writer moves\nWhat may be lost  1.8 s of writes\n\nWhat happens, 2 of 2  the cache moves": {
			ApprovalAsked: incident.ApprovalAsked{Effects: []incident.Effect{one, {What: "the cache moves"}}},
		},
	} {
		if got := shown(effectList(q)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestApprovalIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		ask  Ask
		says []string
	}{
		"to whoever started":    {yes(alice, "q1"), []string{"You started this incident, so someone else has to approve", "Bob (approver), Carol (approver) and Erin (approver) can"}},
		"to a responder":        {yes(dave, "q1"), []string{"takes an approver; you are a responder", "Bob"}},
		"for an unknown button": {yes(bob, "q99"), []string{"a question that INC-2026-0001 does not have", "Approval of “Promote the database” waits for Bob"}},
		"for another incident":  {Ask{Via: by(bob), Verb: "approve", On: "q1", Incident: "INC-2025-0009", Values: map[string]string{"confirm": "us-west-2"}}, []string{"no incident INC-2025-0009"}},
		"for the wrong kind":    {Ask{Via: by(bob), Verb: "go", On: "q1"}, []string{"Go was pressed by Alice"}},
		"for a step of no kind": {Ask{Via: by(bob), Verb: "approve", Text: "us-west-2 promote-databse"}, []string{"no step 'promote-databse'", "Did you mean '/failover approve us-west-2 promote-database'"}},
		"for a step not asked":  {Ask{Via: by(bob), Verb: "approve", Text: "us-west-2 move-dns"}, []string{"“Move DNS” does not wait for that"}},
		"with nothing typed":    {Ask{Via: by(bob), Verb: "approve"}, []string{"Type us-west-2, exactly", "Nothing was approved"}},
		"with the wrong Region": {Ask{Via: by(bob), Verb: "approve", Text: "us-east-1"}, []string{"“us-east-1” is not us-west-2"}},
		"with another letter":   {Ask{Via: by(bob), Verb: "approve", Text: "us-w\u0435st-2"}, []string{"is not us-west-2", "its 5th character is U+0435, a Cyrillic letter that looks like e"}},
		"glass, not on list":    {Ask{Via: by(bob), Verb: "break_glass", Text: "us-west-2 alone"}, []string{"You are not on the break-glass list; Carol and Erin are"}},
		"glass, before expiry":  {Ask{Via: by(carol), Verb: "break_glass", Text: "us-west-2 alone"}, []string{"this one runs until 14:15:00 UTC"}},
		"no, by a responder":    {Ask{Via: by(dave), Verb: "decline", Text: "no"}, []string{"takes a commander or an approver"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := promoting(t)
			r.refusedWith(func() Answer { return r.ask(c.ask) }, c.says...)
		})
	}
}

func TestAWrongRegionKeepsTheFormOpen(t *testing.T) {
	r := promoting(t)
	a := r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(bob), Verb: "approve", On: "q1", Values: map[string]string{"confirm": "us-west2"}})
	})
	contains(t, a.Errors["confirm"], "is not us-west-2")
	if r.engine.reads != 0 {
		t.Error("the world was read for a yes that was none")
	}
}

func TestWhoPressedGoOrRetriedMayNotApprove(t *testing.T) {
	r := started(t)
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	r.say(erin, "go")
	r.bot(finished("begin", "scale-up")...)
	r.askPromotion("q1")
	r.engine.effects, r.engine.fingerprint = lowLag, "low"
	a := r.refusedWith(func() Answer { return r.ask(yes(erin, "q1")) }, "You pressed Go")
	if len(a.Buttons) != 1 || a.Buttons[0].Verb != "remind" {
		t.Errorf("buttons %+v", a.Buttons)
	}
	r.ask(yes(bob, "q1"))
	r.bot(failed("promote-database")...)
	r.say(bob, "retry promote-database")
	r.askPromotion("q2")
	r.refusedWith(func() Answer { return r.ask(yes(bob, "q2")) }, "You retried this step", "Carol (approver) can")
	if a := r.ask(yes(carol, "q2")); a.Refused {
		t.Error(a.Text)
	}
}

func TestRemindCallsThoseWhoCanAnswer(t *testing.T) {
	r := promoting(t)
	a := r.ask(Ask{Via: by(alice), Verb: "remind", On: "q1"})
	if !a.Public || strings.Contains(shown(a.Text), "Dave") {
		t.Errorf("%+v", a)
	}
	contains(t, a.Text, "Bob, Carol or Erin: Approval of “Promote the database” waits since 14:00:00 UTC")
}

func TestAnAnsweredQuestionNamesWhoAnsweredAndWhen(t *testing.T) {
	r := promoting(t)
	r.clock.turn(12*time.Minute + 31*time.Second)
	r.ask(yes(carol, "q1"))
	r.refusedWith(func() Answer { return r.ask(yes(bob, "q1")) },
		"This question was answered by Carol at 14:12:31 UTC. Nothing was done with your click.")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(bob), Verb: "decline", On: "q1"}) }, "answered by Carol")
	r.refusedWith(func() Answer { return r.ask(yes(carol, "q1")) }, "answered by you at 14:12:31 UTC")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "go", On: "qgo"}) }, "Go was pressed by you at 14:00:00 UTC")
}

func TestTwoApproversAtOnceGiveOneYes(t *testing.T) {
	r := promoting(t)
	r.engine.during = func() {
		r.engine.during = nil
		if a := r.ask(yes(carol, "q1")); a.Refused {
			t.Error(a.Text)
		}
	}
	a := r.ask(yes(bob, "q1"))
	contains(t, a.Text, "answered by Carol")
	if st := r.state().Step("promote-database"); st.ApprovedBy != carol {
		t.Errorf("approved by %s", st.ApprovedBy)
	}
}

func TestWhatChangedIsAskedAnew(t *testing.T) {
	worse := []incident.Effect{lowLag[0]}
	worse[0].Lost, worse[0].Bound = "about 9.2 s of writes", "ecommerce-secondary, lag 5 s to 30 s"
	other := []incident.Effect{lowLag[0]}
	other[0].What, other[0].Bound = "FailoverGlobalCluster to ecommerce-third", "ecommerce-third"
	for name, c := range map[string]struct {
		effects     []incident.Effect
		fingerprint string
		err         error
		says        string
	}{
		"the lag":     {worse, "high", nil, "what may be lost is now about 9.2 s of writes, it was about 1.8 s of writes"},
		"the target":  {other, "else", nil, "it is now: FailoverGlobalCluster to ecommerce-third"},
		"unreadable":  {nil, "", errors.New("CloudWatch: timeout"), "cannot be read any more (CloudWatch: timeout)"},
		"unspecified": {lowLag, "else", nil, "the target, the mode or the plan is not the same"},
	} {
		t.Run(name, func(t *testing.T) {
			r := promoting(t)
			r.clock.turn(time.Minute)
			r.engine.effects, r.engine.fingerprint, r.engine.err = c.effects, c.fingerprint, c.err
			var a Answer
			if added := r.added(func() { a = r.ask(yes(bob, "q1")) }); added != "ApprovalWithdrawn ApprovalAsked" {
				t.Fatalf("appended %s", added)
			}
			contains(t, a.Text, "This changed while you were reading: ", c.says, "Look again.")
			s := r.state()
			q := s.OpenQuestion("promote-database")
			if q == nil || q.Question == "q1" || q.Again == "" || !q.Expires.Equal(r.clock.Now().Add(15*time.Minute)) || q.Role != Approver || q.Confirm != "us-west-2" {
				t.Fatalf("asked anew: %+v", q)
			}
			if len(a.Buttons) == 0 || a.Buttons[0].On != q.Question {
				t.Errorf("buttons %+v", a.Buttons)
			}
			r.refusedWith(func() Answer { return r.ask(yes(carol, "q1")) }, "withdrawn", "Nothing was done with your click", "asked anew")
			// A yes to what it says now is a yes, also to not knowing.
			if a := r.ask(yes(bob, q.Question)); a.Refused || r.state().Step("promote-database").ApprovedBy != bob {
				t.Errorf("%q", a.Text)
			}
		})
	}
}

func TestAnotherPlanIsAskedAnew(t *testing.T) {
	r := gone(t)
	r.bot(incident.ApprovalAsked{
		Question: "q1", Kind: incident.AskApprove, Step: "promote-database", Title: "Promote", Role: Approver,
		Confirm: "us-west-2", Fingerprint: "low", Digest: "feedfacefeed",
	})
	r.engine.fingerprint = "low"
	contains(t, r.ask(yes(bob, "q1")).Text, "the plan is "+r.state().Plan.Digest[:6]+" now, it was feedfa")
}

func TestAQuestionThatRanOutIsNotAnswered(t *testing.T) {
	r := promoting(t)
	r.clock.turn(15 * time.Minute)
	r.refusedWith(func() Answer { return r.ask(yes(bob, "q1")) }, "ran out at 14:15:00 UTC")
	r.bot(incident.ApprovalExpired{Question: "q1", Step: "promote-database"})
	r.refusedWith(func() Answer { return r.ask(yes(bob, "q1")) }, "ran out unanswered at 14:15:00 UTC")
	r.askPromotion("q2")
	a := r.refusedWith(func() Answer { return r.ask(yes(bob, "q1")) }, "asked anew at 14:15:00 UTC")
	if len(a.Buttons) == 0 || a.Buttons[0].On != "q2" {
		t.Errorf("buttons %+v", a.Buttons)
	}
}

func TestBreakingGlassAfterNobodyAnswered(t *testing.T) {
	r := promoting(t)
	r.expire("q1")
	r.askPromotion("q2")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(bob), Verb: "break_glass", On: "q2"}) }, "not on the break-glass list")
	a := r.ask(Ask{Via: by(erin), Verb: "break_glass", On: "q2", CanForm: true})
	if a.Form == nil || len(a.Form.Fields) != 2 {
		t.Fatalf("%+v", a)
	}
	a = r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(erin), Verb: "break_glass", On: "q2", Values: map[string]string{"confirm": "us-west-2", "reason": ""}})
	})
	if a.Errors["reason"].Empty() {
		t.Errorf("%+v", a)
	}
	a = r.ask(Ask{Via: by(erin), Verb: "break_glass", On: "q2", Values: map[string]string{"confirm": "us-west-2", "reason": "nobody answers the phone"}})
	if a.Refused || !a.Public {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Text, "Erin approved “Promote the database” alone", "nobody answers the phone")
	if q := r.state().Questions["q2"]; !q.BrokeGlass || q.Reason != "nobody answers the phone" {
		t.Errorf("%+v", q)
	}
}

func TestTheRequesterMayBreakGlass(t *testing.T) {
	r := started(t)
	r.Roster[0].BreakGlass = true // Alice, who started
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	r.say(alice, "go")
	r.askPromotion("q1")
	r.engine.effects, r.engine.fingerprint = lowLag, "low"
	r.expire("q1")
	r.askPromotion("q2")
	a := r.refusedWith(func() Answer { return r.ask(yes(alice, "q2")) }, "You are on the break-glass list: you may approve alone")
	if n := len(a.Buttons); n != 2 || a.Buttons[1].Verb != "break_glass" {
		t.Errorf("buttons %+v", a.Buttons)
	}
	if a := r.say(alice, "break-glass us-west-2 anyway nobody else is awake"); a.Refused {
		t.Fatal(a.Text)
	}
	if st := r.state().Step("promote-database"); st.ApprovedBy != alice {
		t.Errorf("%+v", st)
	}
}

func TestDecline(t *testing.T) {
	r := promoting(t)
	a := r.ask(Ask{Via: by(bob), Verb: "decline", On: "q1", CanForm: true})
	if a.Form == nil || !a.Form.Fields[0].Optional {
		t.Fatalf("%+v", a)
	}
	if added := r.added(func() {
		r.ask(Ask{Via: by(bob), Verb: "decline", On: "q1", Values: map[string]string{"reason": "the lag is too high"}})
	}); added != "ApprovalDeclined" {
		t.Errorf("appended %s", added)
	}
	if q := r.state().Questions["q1"]; q.Reason != "the lag is too high" || q.Answer != "declined" {
		t.Errorf("%+v", q)
	}
	if st := r.state().Step("promote-database"); st.Status != incident.Failed {
		t.Errorf("a declined step is %q", st.Status)
	}
	r.refusedWith(func() Answer { return r.ask(yes(carol, "q1")) }, "declined by Bob at 14:00:00 UTC")
}

func TestNothingIsApprovedAfterTheRunStopped(t *testing.T) {
	r := promoting(t)
	r.say(alice, "abort leave false alarm")
	r.refusedWith(func() Answer { return r.ask(yes(bob, "q1")) }, "stopped by Alice at 14:00 UTC")
	if r.engine.reads != 0 {
		t.Error("the world was read")
	}
}

func TestAnApprovalDuringAPauseSaysThatItWaits(t *testing.T) {
	r := promoting(t)
	r.say(dave, "pause")
	contains(t, r.ask(yes(bob, "q1")).Text, "as soon as the pause ends")
}

// What an answer came by is on the record beside it.
func TestEveryAnswerSaysWhatItCameBy(t *testing.T) {
	weighing := func(t *testing.T) *room {
		r := started(t)
		r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
		r.askGo()
		return r
	}
	stopped := func(t *testing.T) *room {
		r := gone(t)
		r.bot(failed("warm-cache")...)
		r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskFailed, Step: "warm-cache", Title: "Warm the cache", Role: Commander})
		return r
	}
	overriding := func(t *testing.T) *room {
		r := started(t)
		r.bot(finished("outage-seen", "lag-low")...)
		r.bot(failed("backup-fresh")...)
		r.askGo()
		return r
	}
	expired := func(t *testing.T) *room {
		r := promoting(t)
		r.expire("q1")
		r.askPromotion("q2")
		return r
	}
	for name, c := range map[string]struct {
		room func(*testing.T) *room
		ask  Ask
	}{
		"go":          {weighing, Ask{Via: by(alice), Verb: "go"}},
		"go_override": {overriding, Ask{Via: by(alice), Verb: "go_override", Text: "anyway it burns"}},
		"approve":     {promoting, yes(bob, "q1")},
		"break_glass": {expired, Ask{Via: by(erin), Verb: "break_glass", Text: "us-west-2 anyway nobody is awake"}},
		"decline":     {promoting, Ask{Via: by(bob), Verb: "decline", Text: "not now"}},
		"retry":       {stopped, Ask{Via: by(alice), Verb: "retry", On: "q7"}},
		"go_on":       {stopped, Ask{Via: by(alice), Verb: "go_on", On: "q7", Text: "anyway it warms"}},
		"abort":       {stopped, Ask{Via: by(alice), Verb: "abort", On: "q7", Text: "leave enough"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.room(t)
			before := len(r.events())
			c.ask.Request = "envelope-7"
			if a := r.ask(c.ask); a.Refused {
				t.Fatal(a.Text)
			}
			via := ""
			switch b := r.events()[before].Body.(type) {
			case incident.ApprovalGiven:
				via = b.Click
			case incident.ApprovalDeclined:
				via = b.Click
			}
			if via != "envelope-7" {
				t.Errorf("it came by %q", via)
			}
		})
	}
}

// Who is named as waited for can act: after a question ran out, whoever may break glass too.
func TestWhoIsWaitedForCanActNow(t *testing.T) {
	r := promoting(t)
	r.Roster[3].BreakGlass = true // Dave's, who is no approver
	before := shown(r.waits(r.state()))
	r.expire("q1")
	r.askPromotion("q2")
	after := shown(r.waits(r.state()))
	if strings.Contains(before, "Dave") || !strings.Contains(after, "Dave") {
		t.Errorf("before %q, after %q", before, after)
	}
	for _, p := range r.look(r.state()).Answerers(r.state().Questions["q2"]) {
		v := r.look(r.state())
		if v.MayAnswer(p, r.state().Questions["q2"]) != "" && v.MayBreakGlass(p, r.state().Questions["q2"]) != "" {
			t.Errorf("%s is waited for and can do nothing", p.Name)
		}
	}
}
