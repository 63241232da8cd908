package slack

import (
	"context"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// keyProposal begins the keys of what was said of proposals; their id follows.
const keyProposal = "proposal/"

// proposalView is a proposal as the channel shows it.
type proposalView struct {
	Source, Target, Mode string
	At, Began            string
	Moved                bool
	// Agree are the signals that have it proposed, Beside the others.
	Agree, Beside []finding
	// Answered is what became of it; empty while it stands.
	Answered string
	Why      string
	By, When string
	Incident string
}

// TellProposals shows in the channel the proposals that are on the platform log, each in one
// message that says what has become of it. It may be called at any time, by one replica at a
// time.
func (b *Face) TellProposals(ctx context.Context) error {
	type said struct {
		key string
		m   message
	}
	var all []said
	var since time.Time
	err := b.opt.Book.View(ctx, incident.PlatformLog, func(s *incident.State) {
		for _, q := range s.Platform.Latest(2) { // the one that stands, and the one before it
			if since.IsZero() {
				since = q.At
			}
			key := keyProposal + q.Proposal
			all = append(all, said{key, b.proposalMessage(q, key)})
		}
	})
	if err != nil || len(all) == 0 {
		return err
	}
	f := newFollower(b, incident.PlatformLog)
	f.since = since
	if err := f.begin(ctx); err != nil {
		return err
	}
	for _, one := range all {
		if err := f.say(ctx, post{key: one.key, m: one.m}); err != nil {
			return err
		}
	}
	return f.recordAll(ctx)
}

func (b *Face) proposalMessage(q *incident.Proposal, key string) message {
	now := q.Changed // figures are as of when they were told
	v := proposalView{
		Source: lineOf(q.Source, 40), Target: lineOf(q.Target, 40), Mode: lineOf(q.Mode, 20), At: clockTime(q.Changed), Moved: q.Moved,
		Answered: q.Answer, Why: lineOf(q.Reason, 300),
	}
	if !q.Began.IsZero() {
		v.Began = clockTime(q.Began)
	}
	for i, s := range q.Seen {
		one := finding{Mark: s.Verdict.Mark(), Title: lineOf(s.Signal, 60), Text: lineOf(s.Summary, 240)}
		age := ""
		if !s.AsOf.IsZero() {
			age = text.Age(max(0, now.Sub(s.AsOf))) + " old"
		}
		switch {
		case i < len(q.Signals):
			one.Text += " (" + age + ")"
			v.Agree = append(v.Agree, one)
		case s.Verdict == incident.Pass:
			one.Text = age
			v.Beside = append(v.Beside, one)
		default:
			one.Text = "unknown"
			v.Beside = append(v.Beside, one)
		}
	}
	var rows []slack.Block
	if q.Answer == "" {
		rows = row("proposal/"+q.Proposal,
			commands.Button{Verb: "start_proposed", Label: "Start …", On: q.Proposal},
			commands.Button{Verb: "not_now", Label: "Not now", On: q.Proposal})
	} else {
		v.When, v.By = clockTime(q.AnsweredAt), b.byOf(q.AnsweredBy)
		if q.Incident != "" {
			v.Incident = line(q.Incident.Name())
		}
	}
	m := compose(b.words.say("proposal", v), b.opt.Rehearsal, rows...)
	m.meta = map[string]any{"incident": string(incident.PlatformLog), "key": key, "kind": "proposal", "state": q.Answer}
	return m
}

// byOf is who that was, for people; empty for the bot.
func (b *Face) byOf(actor string) string {
	if actor == incident.Bot {
		return ""
	}
	return lineOf(fmt.Sprint(b.opt.Roster.NameOf(actor)), 60)
}
