package bot

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// escape makes text from outside harmless in mrkdwn: it can mention nobody, cannot
// pretend to be a link, and stays on its line.
//
// What makes text bold or code in it stays. Most of this text is the runbook's and
// the outside systems', with names and commands that people copy; for what people
// typed there is theirs.
func escape(s string) string { return escaper.Replace(oneLine(s)) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// tidy is for what commands wrote: it is escaped where it has to be, and any
// other object of Slack's than the mention of a person is made harmless. What is
// escaped already stays as it is.
func tidy(s string) string {
	s = escaper.Replace(s)
	s = escapedMention.ReplaceAllString(s, "<@$1>")
	return escapedTwice.ReplaceAllString(s, "&$1;")
}

var (
	escapedMention = regexp.MustCompile(`&lt;@([A-Z0-9]+)&gt;`)
	escapedTwice   = regexp.MustCompile(`&amp;(amp|lt|gt);`)
)

// line is text from outside as a part of one line, escaped and not too long.
func line(s string) string { return lineOf(s, 600) }

func lineOf(s string, n int) string { return escape(cut(oneLine(s), n)) }

// oneLine makes one line of a text: with single spaces, and without what steers a
// terminal or turns the direction of writing round.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsSpace(r) && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// theirs is what a person typed, as a part of one line for others to read. Beyond
// lineOf it cannot look like the bot's own words: "*Approved by Bob*" in a reason
// is not bold, and a lone ` does not turn what stands behind it into code. Slack
// has no way to escape those, and markup may begin behind a zero-width mark; so a
// look-alike is shown, as in the answers of commands. The record keeps what was
// typed.
func theirs(s string, n int) string {
	letters := []rune(lineOf(s, n))
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

// cut shortens to n characters.
func cut(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}

// clockTime is a moment of today in the reader's own zone, and in UTC where
// there is no reader.
func clockTime(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{time_secs}|%s UTC>", t.Unix(), t.UTC().Format("15:04:05"))
}

// minuteTime is the same to the minute.
func minuteTime(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{time}|%s UTC>", t.Unix(), t.UTC().Format("15:04"))
}

// dayTime is the same for a moment that may be long ago.
func dayTime(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short} {time}|%s>", t.Unix(), utc(t))
}

// utc is a moment as the record has it.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span is a duration as people say it: "41 s", "4 min 12 s", "2 h 5 min".
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case h > 0:
		return fmt.Sprintf("%d h", h)
	case m > 0 && s > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	case m > 0:
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d s", s)
}

// short is a duration as on a stopwatch: "2:40".
func short(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// number is "1 step", "2 steps".
func number(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// either is "a", "a or b", "a, b or c".
func either(names []string) string {
	switch n := len(names); n {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

func prefix(rehearsal bool) string {
	if rehearsal {
		return "REHEARSAL · "
	}
	return ""
}
