package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/failoverbot/failoverbot/incident"
)

// mention is how a person is named where a surface knows them.
func mention(id string) string {
	if id == "" || id == incident.Bot {
		return incident.Bot
	}
	return "<@" + id + ">"
}

// name is how a person is named in a file, which outlives the surface.
func (c *Commands) name(id string) string {
	for _, p := range c.Roster {
		if p.ID == id && p.Name != "" {
			return p.Name
		}
	}
	return id
}

// can names who may, leaving out those that except says may not.
func (c *Commands) can(roles []string, except func(id string) bool) string {
	var names []string
	for _, p := range c.Roster {
		if !p.has(roles...) || (except != nil && except(p.ID)) {
			continue
		}
		var held []string
		for _, r := range p.Roles {
			if slices.Contains(roles, r) {
				held = append(held, r)
			}
		}
		names = append(names, fmt.Sprintf("%s (%s)", mention(p.ID), join(held, "and")))
	}
	if len(names) == 0 {
		return fmt.Sprintf("Nobody else on the roster is %s.", either(roles))
	}
	return join(names, "and") + " can."
}

// either is "a commander or an approver".
func either(roles []string) string {
	var with []string
	for _, r := range roles {
		with = append(with, article(r))
	}
	return join(with, "or")
}

func article(word string) string {
	if word != "" && strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// join is "a, b and c".
func join(words []string, last string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// clock is a time to the second.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// at is a time as people say it: with its day if that is not today.
func (c *Commands) at(t time.Time) string {
	t = t.UTC()
	if now := c.Clock.Now().UTC(); now.Format(time.DateOnly) != t.Format(time.DateOnly) {
		return t.Format("2006-01-02 15:04 UTC")
	}
	return t.Format("15:04 UTC")
}

// span is how long something took: "4 min 12 s".
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// plain is what somebody typed, short and without anything that would be markup,
// so that repeating it shows just that.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("`<>&*~", r):
			return -1
		case r < ' ':
			return ' '
		}
		return r
	}, text)
	return short(strings.TrimSpace(text), 80)
}

// quoted is a person's own words for others to read, also where an error or a
// decline carries them: their markup must neither call people nor look like the
// bot's. They stand on one line, and what would be bold, italic, struck or code
// stands as a look-alike, which no client takes for markup; a zero-width mark would
// not do, markup may begin behind one. The record keeps what was typed.
func quoted(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\n\v\f\r\u0085\u2028\u2029", r) })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	letters := []rune(strings.Join(lines, " / "))
	var b strings.Builder
	for i, r := range letters {
		// Between two letters a line below is part of a name: order_service.
		name := r == '_' && i > 0 && i < len(letters)-1 && inWord(letters[i-1]) && inWord(letters[i+1])
		like, markup := lookAlikes[r]
		switch {
		case markup && !name:
			b.WriteRune(like)
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		default:
			b.WriteRune(r)
		}
	}
	return escaped(b.String())
}

// lookAlikes of what begins or ends markup.
var lookAlikes = map[rune]rune{'*': '∗', '_': '＿', '~': '∼', '`': 'ˋ'}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// escaped is text of the runbook or of a provider, which may have several lines and
// commands to copy: it calls nobody.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(strings.TrimSpace(text))
}

// short cuts text to n letters.
func short(text string, n int) string {
	letters := []rune(text)
	if len(letters) <= n {
		return text
	}
	return string(letters[:n-1]) + "…"
}

// bare is an error on one line, without a full stop, as it goes on the record.
func bare(err error) string {
	return strings.TrimRight(short(strings.Join(strings.Fields(err.Error()), " "), 300), ".")
}

// sentence is bare for people to read: what came from outside is no markup.
func sentence(err error) string { return quoted(bare(err)) }

// faults are all that is wrong with a runbook, a line each.
func faults(err error) string { return escaped(short(err.Error(), 2500)) }

// count is "1 step" or "3 steps".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// reasonMax is how long a reason may be: as long as the cards can show it.
const reasonMax = 500

// reason of an Ask, from its form or from what was typed; the form's fault if it
// is missing or too long.
func reason(ask Ask, typed, what string) (string, *Answer) {
	r := strings.TrimSpace(typed)
	if ask.Values != nil {
		r = strings.TrimSpace(ask.Values["reason"])
	}
	say := ""
	switch {
	case r == "":
		say = "Say why; everybody will read it."
	case len([]rune(r)) > reasonMax:
		say = fmt.Sprintf("At most %d letters; put the rest in a note.", reasonMax)
	default:
		return r, nil
	}
	if ask.Values != nil {
		return "", &Answer{Refused: true, Errors: map[string]string{"reason": say}}
	}
	return "", refused("%s `/failover %s`", say, what)
}
