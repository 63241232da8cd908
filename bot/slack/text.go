package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/text"
)

// escape makes text from outside harmless in mrkdwn: it can mention nobody, cannot
// pretend to be a link, and stays on its line.
//
// What makes text bold or code in it stays. Most of this text is the runbook's and
// the outside systems', with names and commands that people copy; for what people
// typed there is theirs.
func escape(s string) string { return escaper.Replace(oneLine(s)) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// line is text from outside as a part of one line, escaped and not too long.
func line(s string) string { return lineOf(s, 600) }

func lineOf(s string, n int) string { return escape(cut(oneLine(s), n)) }

// oneLine makes one line of a text, without what steers.
func oneLine(s string) string { return text.Inline(s) }

// theirs is what a person typed, as a part of one line for others to read. Beyond
// lineOf it cannot look like the bot's own words: "*Approved by Bob*" in a reason
// is not bold, and a lone ` does not turn what stands behind it into code. The record
// keeps what was typed.
func theirs(s string, n int) string { return inert(lineOf(s, n)) }

// cut shortens to n characters.
func cut(s string, n int) string { return text.Shorten(s, n) }

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
func utc(t time.Time) string { return text.ToDay.UTC(t) }

// short is a duration as on a stopwatch: "2:40".
func short(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// either is "a", "a or b", "a, b or c".
func either(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return text.List(names, "or")
}

func prefix(rehearsal bool) string {
	if rehearsal {
		return "REHEARSAL · "
	}
	return ""
}
