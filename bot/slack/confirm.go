package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// Keys of what people are asked beside the questions of a run. Behind keyAsked and
// keyAnswered stands the id of what was asked.
const (
	keyHere     = "here/"
	keyAsked    = "asked/"
	keyAnswered = "answered/"
)

// mention notifies a person or a user group of the settings. What stands there was
// checked to be an id, and is no text of anybody.
func mention(id string) string {
	switch {
	case slackGroup(id):
		return "<!subteam^" + id + ">"
	case id != "" && strings.ContainsAny(id[:1], "UW"):
		return "<@" + id + ">"
	}
	return ""
}

func slackGroup(id string) bool { return strings.HasPrefix(id, "S") }

// elsewhere is the channel of support, where the settings name one.
func (o Options) elsewhere() string {
	if id := o.Support; id != "" && strings.ContainsAny(id[:1], "CG") {
		return id
	}
	return ""
}

// hereView is the message that asks the commander, or support, to say that they are here.
type hereView struct {
	Incident, Source, Target, Mode string
	Who                            string // who is asked
	What                           string // commander or support
	By, At                         string // who said so, and when; empty while nobody has
}

// asksHere keeps the messages up to date that ask whether the commander and support are
// here. The commander is asked when none has done anything yet.
func (f *follower) asksHere(v incidentView, o *outlook) {
	show := func(what, who, channel string, there incident.Confirmed, answered bool) {
		key := keyHere + what
		posted := f.posted[key] != ""
		as := "asked"
		if answered {
			as = "answered"
		} else if o.resolved {
			as = "over"
		}
		if f.refused[key] || f.rendered[key+"/as"] == as || !posted && as != "asked" {
			return
		}
		view := hereView{Incident: line(v.ID.Name()), Source: lineOf(v.Source, 40), Target: lineOf(v.Target, 40), Mode: lineOf(v.Run.Mode, 20), Who: who, What: what}
		var buttons []commands.Button
		switch as {
		case "asked":
			buttons = []commands.Button{{Verb: "here", Label: "I am here", On: what, Incident: v.ID, Style: "primary"}}
		case "answered":
			view.By, view.At = v.who(there.By), clockTime(there.At)
		}
		o.jobs = append(o.jobs, post{key: key, as: as, channel: channel, m: f.b.noticeMessage(v, key, "notice", "here", view, buttons...)})
	}
	if to := f.b.opt.Support; to != "" {
		there, ok := v.Here(incident.Supporting)
		who := mention(to)
		if who == "" {
			who = "Support"
		}
		show(incident.Supporting, who, f.b.opt.elsewhere(), there, ok)
	}
	commanders := v.Roster.With(incident.RoleCommander)
	var first incident.Confirmed
	for _, p := range commanders {
		if at, ok := v.Acted(p.ID); ok && (first.By == "" || at.Before(first.At)) {
			first = incident.Confirmed{By: p.ID, At: at}
		}
	}
	if len(commanders) > 0 {
		show(incident.Commanding, either(v.named(incident.RoleCommander)), "", first, first.By != "")
	}
}

// askedView is what people are asked about the platform.
type askedView struct {
	Who, Question string
	By, At        string // of the answer; empty while there is none
	Answer        string
}

func (b *Face) askedMessage(a incident.Asked, key string) message {
	var who []string
	for _, id := range a.Of {
		who = append(who, whom(b.opt.Roster, id))
	}
	v := askedView{Who: either(who), Question: lineOf(a.Question, 600)}
	var rows []slack.Block
	if a.Answer == nil {
		rows = row("asked", commands.Button{Verb: "confirm", Label: a.Yes, On: a.Confirmation, Style: "primary"},
			commands.Button{Verb: "deny", Label: a.No, On: a.Confirmation})
	} else {
		v.By, v.At, v.Answer = whom(b.opt.Roster, a.Answer.By), dayTime(a.Answer.At), lineOf(a.No, 100)
		if a.Answer.Yes {
			v.Answer = lineOf(a.Yes, 100)
		}
	}
	m := compose(b.words.say("asked", v), b.opt.Rehearsal, rows...)
	m.meta = map[string]any{"incident": string(incident.PlatformLog), "key": key, "kind": "asked"}
	return m
}

// TellAsked asks people in the channel what the platform log asks of them, each once, and
// shows what they have answered. It may be called at any time, by one replica at a time.
func (b *Face) TellAsked(ctx context.Context) error { return b.tellAsked(ctx, true) }

// tellAsked shows the answers, and asks what is new only where that is wanted.
func (b *Face) tellAsked(ctx context.Context, ask bool) error {
	b.asking.Lock()
	defer b.asking.Unlock()
	told, err := b.opt.Book.Log().Remembered(ctx, incident.PlatformLog)
	if err != nil {
		return fmt.Errorf("read what people were asked: %w", err)
	}
	var open []incident.Asked
	err = b.opt.Book.View(ctx, incident.PlatformLog, func(s *incident.State) {
		for _, a := range s.Platform.Asked() {
			_, asked := told[keyAsked+a.Confirmation]
			_, answered := told[keyAnswered+a.Confirmation]
			if a.Answer == nil && !asked && ask || a.Answer != nil && asked && !answered {
				open = append(open, a)
			}
		}
	})
	if err != nil || len(open) == 0 {
		return err
	}
	f := newFollower(b, incident.PlatformLog)
	f.since = slices.MinFunc(open, func(a, b incident.Asked) int { return a.At.Compare(b.At) }).At
	if err := f.begin(ctx); err != nil {
		return err
	}
	for _, a := range open {
		key := keyAsked + a.Confirmation
		if a.Answer == nil && f.posted[key] != "" {
			continue // an earlier process said it and could not write that down
		}
		if err := f.say(ctx, post{key: key, m: b.askedMessage(a, key)}); err != nil {
			return err
		}
		if ts := f.posted[key]; a.Answer != nil && ts != "" {
			p := incident.Place{Channel: b.opt.Channel, TS: ts}
			if err := b.opt.Book.Log().Remember(ctx, incident.PlatformLog, keyAnswered+a.Confirmation, p); err != nil {
				return fmt.Errorf("keep that an answer was shown: %w", err)
			}
		}
	}
	return f.recordAll(ctx)
}

// answered shows what somebody has just said of the platform. What cannot be shown now is
// with the next assessment.
func (b *Face) answered(ctx context.Context) {
	b.spawn(b.clock.Busy(), func() {
		ctx, stop := b.clock.WithTimeout(context.WithoutCancel(ctx), time.Minute, errors.New("it took longer than a minute"))
		defer stop()
		if err := b.tellAsked(ctx, false); err != nil {
			b.log.Warn().Err(err).Msg("an answer is not shown in the channel yet")
		}
	})
}

// Includes says whether a person of this workspace is meant by an id of the settings:
// it is theirs, or that of a group or a channel that they belong to.
func (c *Client) Includes(ctx context.Context, id, user string) (bool, error) {
	switch {
	case user == "":
		return false, nil
	case slackGroup(id):
		var users []string
		err := c.call(ctx, methodGroup, "", func(ctx context.Context) (err error) {
			users, err = c.api.GetUserGroupMembersContext(ctx, id)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("read who belongs to the user group %s: %w", id, err)
		}
		return slices.Contains(users, user), nil
	case strings.ContainsAny(id[:min(1, len(id))], "CG"):
		cursor := ""
		for {
			var users []string
			err := c.call(ctx, methodMembers, "", func(ctx context.Context) (err error) {
				users, cursor, err = c.api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: id, Cursor: cursor, Limit: 200})
				return err
			})
			switch {
			case err != nil:
				return false, fmt.Errorf("read who is in the channel %s: %w", id, err)
			case slices.Contains(users, user):
				return true, nil
			case cursor == "":
				return false, nil
			}
		}
	}
	return id == user, nil
}
