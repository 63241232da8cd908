package commands

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/text"
)

// longestAgo is how long ago users can have begun to be hurt. What is older is a
// typing error more often than an outage.
const longestAgo = 7 * 24 * time.Hour

const beganHint text.Literal = "Minutes ago, such as 10, or a time, such as 14:02 UTC, 2:02 PM UTC, 14:02 +01:00 or 2026-03-04 14:02 UTC."

// zones are the abbreviations that mean one thing everywhere, by their minutes east
// of Greenwich.
var zones = map[string]int{
	"utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "cet": 60, "cest": 120, "mez": 60, "mesz": 120, "eet": 120, "eest": 180,
	"msk": 180, "sast": 120, "pkt": 300, "npt": 345, "hkt": 480, "sgt": 480, "awst": 480, "jst": 540, "kst": 540,
	"acst": 570, "acdt": 630, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "brt": -180,
	"est": -300, "edt": -240, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600,
}

// unclear are abbreviations that mean several zones, or change with the season.
var unclear = map[string]bool{
	"cst": true, "cdt": true, "ist": true, "bst": true, "ast": true, "adt": true, "mst": true, "gst": true, "amt": true, "wst": true, "sst": true,
	"ect": true, "wat": true, //nolint:misspell // ECT is a time zone
	"cat": true, "eat": true, "et": true, "ct": true, "mt": true, "pt": true, "met": true, "art": true, "local": true,
}

// words too: as a zone only in capitals.
var wordsToo = map[string]bool{"west": true, "wet": true, "art": true, "met": true, "cat": true, "eat": true}

var (
	agoLike   = regexp.MustCompile(`^(?:([0-9]{1,4}) ?(?:d|days?))?(?: ?([0-9]{1,4}) ?(?:h|hrs?|hours?))?(?: ?(?:and )?([0-9]{1,5}) ?(?:m|mins?|minutes?))?(?: ago)?` + end)
	bareLike  = regexp.MustCompile(`^([0-9]{1,3})(?: ago)?` + end)
	dayLike   = regexp.MustCompile(`^(yesterday|today|[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[t,]| at| |, )? ?`)
	clockLike = regexp.MustCompile(`^(?:([0-9]{1,2})[:.]([0-9]{2})(?::[0-9]{2})?|([0-9]{2})([0-9]{2})|([0-9]{1,2}))(?: ?([ap])\.? ?m\b\.?)?`)
	offLike   = regexp.MustCompile(`^ ?(?:utc|gmt)? ?([+-])([0-9]{1,2})(?::?([0-9]{2}))?` + end)
	zoneLike  = regexp.MustCompile(`^ ?\(?([a-z]{1,5}|[a-z]+/[a-z_/]+)\)?` + end)
	lateLike  = regexp.MustCompile(`^ (yesterday|today)` + end)
	ended     = regexp.MustCompile(`^` + end)
	// counted are amounts in words, which are a time all the same.
	counted = regexp.MustCompile(`^(?:half|an?|one|two|three|four|five|ten|twenty|few|some|about|around|noon|midnight|last|this|mon|tues?|wednes|thurs?|fri|satur|sun|yesterday|today)(?:day)?\b`)
)

// end is what stands behind something that was read whole.
const end = `(?:[.,;]? |[.,;]?$)`

// qualifies are words that say more about the time before them. One that is not
// understood must not be taken for the beginning of a reason.
var qualifies = map[string]bool{
	"am": true, "pm": true, "a.m": true, "p.m": true, "p": true, "o'clock": true, "oclock": true, "uhr": true, "hrs": true, "ago": true,
	"time": true, "local": true, "tomorrow": true, "yesterday": true, "today": true, "tonight": true, "morning": true, "afternoon": true, "evening": true,
	"s": true, "sec": true, "secs": true, "seconds": true, "m": true, "min": true, "mins": true, "minute": true, "minutes": true,
	"h": true, "hr": true, "hour": true, "hours": true, "d": true, "day": true, "days": true, "w": true, "week": true, "weeks": true, "month": true, "months": true,
	"monday": true, "tuesday": true, "wednesday": true, "thursday": true, "friday": true, "saturday": true, "sunday": true,
	"mon": true, "tue": true, "wed": true, "thu": true, "fri": true, "sat": true, "sun": true, "to": true, "until": true, "-": true,
}

// vague are words behind a time that say more about it than is understood.
var vague = regexp.MustCompile(`^(?:in the (?:morning|afternoon|evening)|at night|last night|[a-z]+ (?:standard |daylight |summer )?time\b|eastern\b|pacific\b)`)

// moment reads a time at the beginning of what somebody typed, and what follows it.
// some says that a time was meant, read or not; fault then says what would work. A
// time of day without a date is the last one; without a zone it is UTC.
func moment(said string, now time.Time) (at time.Time, rest string, some bool, fault text.Text) {
	r := level(strings.TrimLeft(strings.TrimSpace(said), "~≈"))
	at, n, fault := r.instant(now)
	switch {
	case !fault.Empty():
		return time.Time{}, "", true, fault
	case n == 0:
		meant := r.low != "" && (strings.IndexByte("0123456789+-", r.low[0]) >= 0 || counted.MatchString(r.low))
		return time.Time{}, "", meant, text.Format("%v", beganHint)
	}
	behind := strings.TrimLeft(r.low[n:], " ,;.")
	if word, _ := cut(behind); qualifies[strings.Trim(word, ".,;()")] || vague.MatchString(behind) {
		return time.Time{}, "", true, text.Format("“%v” behind the time is not understood. %v", text.Quote(repeated(word)), beganHint)
	}
	if at.After(now.Add(time.Minute)) {
		return time.Time{}, "", true, text.Format("%v is still to come; it is %v now. Of the day before: yesterday 23:10.", text.At(at, precision(at, now)), text.At(now, text.ToMinute))
	}
	if now.Sub(at) > longestAgo {
		return time.Time{}, "", true, text.Format("That is more than a week ago. %v", beganHint)
	}
	return at, strings.TrimSpace(r.said[r.place[n]:]), true, text.Text{}
}

// leveled is what somebody typed, and the same in plain small characters, without
// marks that nobody sees. place has for each byte of low where it stands in said, and
// the end.
type leveled struct {
	said, low string
	place     []int
}

func level(said string) leveled {
	r := leveled{said: said}
	var low strings.Builder
	for i, c := range said {
		plain := text.Fold("x" + string(c) + "x")
		plain = plain[1 : len(plain)-1]
		low.WriteString(plain)
		for range len(plain) {
			r.place = append(r.place, i)
		}
	}
	r.low, r.place = low.String(), append(r.place, len(said))
	return r
}

// precision is with the day where that is not today.
func precision(t, now time.Time) text.Precision {
	if t.UTC().Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		return text.ToDay
	}
	return text.ToMinute
}

// instant is the time at the beginning, and how much of low that is: 0 if it is none.
func (r leveled) instant(now time.Time) (at time.Time, n int, fault text.Text) {
	low := r.low
	if m := agoLike.FindStringSubmatch(low); m != nil && m[1]+m[2]+m[3] != "" {
		d := amount(m[1])*24*time.Hour + amount(m[2])*time.Hour + amount(m[3])*time.Minute
		return now.UTC().Add(-d), len(m[0]), text.Text{}
	}
	day := ""
	if m := dayLike.FindStringSubmatch(low); m != nil {
		day, n = m[1], len(m[0])
	}
	m := clockLike.FindStringSubmatch(low[n:])
	if m == nil {
		return time.Time{}, 0, text.Text{}
	}
	if m[5] != "" && m[6] == "" { // a number alone
		if b := bareLike.FindStringSubmatch(low); b != nil {
			return now.UTC().Add(-amount(b[1]) * time.Minute), len(b[0]), text.Text{}
		}
		return time.Time{}, 0, text.Text{}
	}
	hour, minute := int(amount(m[1]+m[3]+m[5])), int(amount(m[2]+m[4]))
	switch {
	case m[6] != "" && hour > 12, hour > 23, minute > 59, m[6] == "p" && hour == 0:
		return time.Time{}, 0, text.Format("“%v” is not a time of day. %v", text.Quote(strings.TrimSpace(m[0])), beganHint)
	case m[6] == "p" && hour < 12:
		hour += 12
	case m[6] == "a" && hour == 12:
		hour = 0
	}
	n += len(m[0])
	loc, late, fault := zone(low[n:], r.said[r.place[n]:])
	if !fault.Empty() {
		return time.Time{}, 0, fault
	}
	n += late
	if late == 0 && n < len(low) && !ended.MatchString(low[n:]) {
		return time.Time{}, 0, text.Format("“%v” is not a time of day. %v", text.Quote(firstWord(low)), beganHint)
	}
	if day == "" {
		if m := lateLike.FindStringSubmatch(" " + strings.TrimLeft(low[n:], " ,")); m != nil {
			day = m[1]
			n = len(low) - len(strings.TrimLeft(low[n:], " ,")) + len(m[0]) - 1
		}
	}
	return dated(day, hour, minute, loc, now, n)
}

// dated is that time of day on that day: today, yesterday, a date, or whichever was
// last if none was said.
func dated(day string, hour, minute int, loc *time.Location, now time.Time, n int) (time.Time, int, text.Text) {
	local := now.In(loc)
	year, month, date := local.Date()
	switch day {
	case "", "today":
	case "yesterday":
		date--
	default:
		d, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return time.Time{}, 0, text.Format("“%v” is not a day. %v", text.Quote(day), beganHint)
		}
		year, month, date = d.Date()
	}
	at := time.Date(year, month, date, hour, minute, 0, 0, loc).UTC()
	if day == "" && at.After(now.Add(time.Minute)) {
		// What is half a day old or more is more likely an hour mistaken: it takes a date.
		if before := at.AddDate(0, 0, -1); now.Sub(before) <= 12*time.Hour {
			at = before
		}
	}
	return at, n, text.Text{}
}

// zone is the zone behind a time of day, UTC if there is none, and how long it is.
func zone(low, said string) (*time.Location, int, text.Text) {
	if m := offLike.FindStringSubmatch(low); m != nil {
		hours, minutes := int(amount(m[2])), int(amount(m[3]))
		if hours > 14 || minutes%15 != 0 || minutes > 45 || (m[1] == "-" && hours > 12) {
			return nil, 0, text.Format("“%v” is not an offset from UTC. %v", text.Quote(strings.TrimSpace(m[0])), beganHint)
		}
		east := hours*60 + minutes
		if m[1] == "-" {
			east = -east
		}
		return time.FixedZone("", east*60), len(m[0]), text.Text{}
	}
	m := zoneLike.FindStringSubmatch(low)
	if m == nil {
		return time.UTC, 0, text.Text{}
	}
	name := m[1]
	east, known := zones[name]
	switch {
	case wordsToo[name] && !strings.HasPrefix(strings.TrimLeft(said, " ("), strings.ToUpper(name)):

	case known:
		return time.FixedZone("", east*60), len(m[0]), text.Text{}
	case unclear[name]:
		return nil, 0, text.Format("%s means more than one zone. Say the time in UTC, such as 14:02 UTC, or with its offset, such as 14:02 +05:30.", strings.ToUpper(name))
	case strings.Contains(name, "/"):
		return nil, 0, text.Format("“%v” is not understood as a zone. Say the time in UTC, such as 14:02 UTC, or with its offset, such as 14:02 +01:00.", text.Quote(name))
	}
	return time.UTC, 0, text.Text{}
}

func firstWord(s string) string {
	word, _ := cut(s)
	return word
}

// amount is a number of a few digits; nothing is 0.
func amount(digits string) time.Duration {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}

// began reads when users began to be hurt, and nothing else. What is at fault comes
// as a sentence for the form; it is empty if nothing is.
func began(said string, now time.Time) (time.Time, text.Text) {
	at, rest, _, fault := moment(said, now)
	if fault.Empty() && strings.Trim(rest, ".,;") != "" {
		fault = text.Format("%v", beganHint)
	}
	if !fault.Empty() {
		return time.Time{}, fault
	}
	return at, text.Text{}
}
