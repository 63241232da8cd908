package slack

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// noteShortcut is the callback_id of the shortcut in a message's menu.
const noteShortcut = actionPrefix + "note"

// quoteMax is how much of a message goes on the record: commands take notes of
// 3,000 letters, and who wrote it is a part of that.
const quoteMax = 2500

// shortcutID is the same for one use of the shortcut however often it arrives.
func shortcutID(c slack.InteractionCallback) string {
	when := c.ActionTs
	if when == "" {
		when = c.TriggerID
	}
	return known(strings.Join([]string{"shortcut", c.Channel.ID, messageTS(c), when, c.User.ID}, "/"))
}

func messageTS(c slack.InteractionCallback) string {
	if c.MessageTs != "" {
		return c.MessageTs
	}
	return c.Message.Timestamp
}

// putOnRecord makes a message a note. Who asked for it alone is answered: the
// channel reads it in the card's thread, and it has read the message.
func (b *Face) putOnRecord(ctx context.Context, c slack.InteractionCallback) {
	at := place{person: c.User.ID, channel: c.Channel.ID, response: c.ResponseURL}
	ask := commands.Ask{Via: bySlack(c.User.ID), Verb: "note", Request: shortcutID(c)}
	if ask.Text = b.quotation(c); ask.Text == "" {
		b.reply(ctx, at, ask, commands.Answer{
			Refused: true,
			Text:    text.Format("This message has no text, so there is nothing to put on the record. Say what it shows: {note TEXT}."),
		})
		return
	}
	a := b.do(ctx, ask)
	a.Public = false
	b.reply(ctx, at, ask, a)
}

// quotation is a message as a note has it; empty if it says nothing.
func (b *Face) quotation(c slack.InteractionCallback) string {
	text := b.spelled(c.Message)
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%s wrote at %s: %s", b.author(c.Message), wroteAt(messageTS(c), b.clock.Now()), cut(text, quoteMax))
}

// author is the name of who wrote a message, as the record has names: it outlives
// Slack's ids. Only the user id says which person it was: what an app calls itself
// may be anybody's name.
func (b *Face) author(m slack.Message) string {
	if m.User == b.client.User && m.User != "" {
		return incident.Bot
	}
	bot := m.BotID != "" || m.SubType == slack.MsgSubTypeBotMessage
	if m.User != "" && !bot {
		return b.called(m.User)
	}
	name := m.Username
	if name == "" && m.BotProfile != nil {
		name = m.BotProfile.Name
	}
	switch name = cut(oneLine(name), 80); {
	case name != "":
		return "bot " + name + " (app)"
	case m.BotID != "":
		return "app " + cut(oneLine(m.BotID), 40)
	case m.User != "":
		return "app " + cut(oneLine(m.User), 40)
	}
	return "somebody"
}

// called is somebody's name on the roster, else the id.
func (b *Face) called(id string) string {
	if p, ok := b.opt.Roster.Of(bySlack(id)); ok && p.Name != "" {
		return p.Name
	}
	return cut(oneLine(id), 40)
}

// wroteAt is when a message was posted, with its day if that is not today.
func wroteAt(ts string, now time.Time) string {
	t := posted(ts)
	if t.Unix() == 0 {
		return "an unknown time"
	}
	if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return utc(t)
}

// spelled is what a message says, without Slack's markup for people, channels and
// links, which means nothing elsewhere.
func (b *Face) spelled(m slack.Message) string {
	parts := wordsOf(m)
	for _, f := range m.Files {
		parts = append(parts, "(file "+strconv.Quote(cut(oneLine(f.Name), 100))+")")
	}
	text := slackObject.ReplaceAllStringFunc(strings.TrimSpace(strings.Join(parts, "\n")), func(o string) string {
		found := slackObject.FindStringSubmatch(o)
		kind, what, label := found[1], found[2], found[3]
		switch {
		case kind == "@" && label == "":
			return "@" + b.called(what)
		case kind == "@":
			return "@" + label
		case kind == "#" && label != "":
			return "#" + label
		case kind == "!" && label != "":
			return label
		case kind == "!":
			return "@" + what
		case kind == "" && label != "" && label != what:
			return label + " (" + what + ")"
		}
		return what
	})
	return plainText.Replace(text)
}

// slackObject is a person, a channel, a special mention or a link in a message.
var slackObject = regexp.MustCompile(`<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>`)
