package text

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Precision is how exactly a moment is said.
type Precision int

// How exactly a moment is said.
const (
	ToSecond Precision = iota // 14:02:31 UTC
	ToMinute                  // 14:02 UTC
	ToDay                     // 2026-03-04 14:02 UTC, for one that may be long ago
)

// UTC is a moment as the record has it, always with its zone.
func (p Precision) UTC(t time.Time) string {
	layout := "15:04:05 UTC"
	switch p {
	case ToMinute:
		layout = "15:04 UTC"
	case ToDay:
		layout = "2006-01-02 15:04 UTC"
	case ToSecond:
	}
	return t.UTC().Format(layout)
}

// Duration is how long something took, as people say it: "41 s", "4 min 12 s",
// "2 h 5 min". It is exact to the second; what is negative is nothing.
func Duration(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	h, m, s := d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
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

// Tenths is a duration as Duration has it, with the tenths of what took less than ten
// seconds: "0.4 s". What is negative stays so: of two clocks that disagreed.
func Tenths(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Tenths(-d)
	case d < time.Second && d > 0:
		return fmt.Sprintf("%.1f s", max(d.Seconds(), 0.1))
	case d < 9950*time.Millisecond && d%time.Second >= 50*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	if d >= time.Hour && d%time.Hour < time.Minute {
		return fmt.Sprintf("%d h 0 min", d/time.Hour)
	}
	return Duration(d)
}

// Age is about how old something is: "40 s", "7 min", "2 h 5 min". It keeps to
// seconds below two minutes and to minutes below two hours.
func Age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	}
	return Duration(d)
}

// Count is "1 step" or "3 steps".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Some are the first of them, at most that many, and how many more there are: "a; b; and 3
// more".
func Some(all []string, most int) string {
	s := strings.Join(all[:min(len(all), most)], "; ")
	if more := len(all) - most; more > 0 {
		s += fmt.Sprintf("; and %d more", more)
	}
	return s
}

// Article is a word with its article: "an approver".
func Article(word string) string {
	if word != "" && strings.ContainsRune("aeiouAEIOU", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// List is "a, b and c", with that word before the last.
func List(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// Join is List for Texts.
func Join(list []Text, last Literal) Text {
	var out Text
	for i, t := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			out.words(" " + string(last) + " ")
		default:
			out.words(", ")
		}
		out.take(t)
	}
	return out
}

// Sentence begins as a sentence does: with a capital letter.
func Sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// Shorten cuts text to n characters, the last of which then says so.
func Shorten(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	letters := []rune(s)
	return string(letters[:max(n-1, 0)]) + "…"
}

// Are is the verb for so many: "is" or "are".
func Are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
