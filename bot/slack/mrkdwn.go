package slack

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/failoverbot/failoverbot/incident/text"
)

// mrkdwn renders what commands say in Slack's markup. The words of others can call
// nobody, are no link and cannot look like the bot's: see theirs.
type mrkdwn struct {
	// command is what the workspace calls ours: "/failover" if empty.
	command string
	// user is a person's Slack user id, "" for one who has none; nil: the person's
	// id is one.
	user func(id string) string
	// called is the name of a person whom Slack does not know; nil or "": the id.
	called func(id string) string
}

// render is the text where Slack reads markup.
func (f mrkdwn) render(t text.Text) string {
	var b strings.Builder
	for s := range t.Spans() {
		switch s.Kind {
		case text.Words, text.Prose:
			b.WriteString(escaper.Replace(s.Text))
		case text.Value, text.Quoted:
			b.WriteString(escaper.Replace(inert(s.Text)))
		case text.Name:
			b.WriteString(f.mention(s.Text))
		case text.Typed, text.Code:
			b.WriteString(verbatim(s.Text))
		case text.Order:
			b.WriteString(verbatim(f.order(s.Text)))
		case text.Strong:
			b.WriteString("*" + escaper.Replace(inert(s.Text)) + "*")
		case text.Moment:
			b.WriteString(s.Precision.UTC(s.Time))
		case text.Block:
			b.WriteString("```\n" + escaper.Replace(inert(s.Text)) + "\n```")
		}
	}
	return b.String()
}

// plain is the text where Slack reads no markup: what is wrong with a field of a
// form, a hint.
func (f mrkdwn) plain(t text.Text) string {
	return text.Plain{Command: f.command, Called: f.called}.Render(t)
}

// userID is what Slack takes for a person in a mention.
var userID = regexp.MustCompile(`^[A-Z0-9]+$`)

func (f mrkdwn) mention(id string) string {
	user := id
	if f.user != nil {
		user = f.user(id)
	}
	if userID.MatchString(user) {
		return "<@" + user + ">"
	}
	if f.called != nil {
		if name := f.called(id); name != "" {
			id = name
		}
	}
	return escaper.Replace(inert(oneLine(id)))
}

func (f mrkdwn) order(words string) string {
	command := f.command
	if command == "" {
		command = "/failover"
	}
	return strings.TrimSpace(command + " " + words)
}

// verbatim is to be copied as it stands. What would end it stands as a look-alike.
func verbatim(s string) string {
	return "`" + strings.ReplaceAll(escaper.Replace(s), "`", string(lookAlikes['`'])) + "`"
}

// inert is a text in which nothing is bold, italic, struck or code: a look-alike
// stands for what begins or ends those, for Slack has no way to escape it, and markup
// may begin behind a zero-width mark.
func inert(s string) string {
	letters := []rune(s)
	word := func(i int) bool {
		return i >= 0 && i < len(letters) && (unicode.IsLetter(letters[i]) || unicode.IsDigit(letters[i]))
	}
	for i, r := range letters {
		// Between two letters a line below is part of a name: order_service.
		if like, ok := lookAlikes[r]; ok && (r != '_' || !word(i-1) || !word(i+1)) {
			letters[i] = like
		}
	}
	return string(letters)
}

// lookAlikes of what begins or ends markup.
var lookAlikes = map[rune]rune{'*': '∗', '_': '＿', '~': '∼', '`': 'ˋ'}
