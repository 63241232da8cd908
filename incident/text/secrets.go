package text

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Secrets knows what must not be said: the values that this process was given or has
// obtained, in every spelling in which they may come back, and the shapes that tokens
// and addresses with a password have whoever they belong to. Whatever is said passes
// one of its methods last.
//
// The zero value and nil know the shapes alone. It may be used by anybody at any time.
type Secrets struct {
	mu       sync.RWMutex
	given    []string
	obtained []string            // the newest last
	words    []string            // pieces that count only as a whole word
	values   []string            // of the first two, in every spelling, the longest first
	grams    map[string][]origin // where each piece of gram bytes stands in values
}

// origin is a place in one of the values.
type origin struct{ value, at int }

// Hidden stands where a secret stood.
const Hidden = "[hidden]"

const (
	// gram and stride find every piece of gram+stride-1 bytes or more of a secret: every
	// place of the secret is known, and every stride-th place of a text is looked up.
	gram, stride = 6, 3
	// pieceLeast is the shortest piece of a secret that is one wherever it stands;
	// shorter ones are words by chance.
	pieceLeast = gram + stride - 1
	// cutLeast is the shortest beginning of a secret that is one where a text was cut.
	cutLeast = 4
	// wordMost is below how many characters small letters alone are taken for a word:
	// with the password "database" out of it, nothing that is said could be read any
	// more, and who reads the word does not know that it is one.
	wordMost = 16
)

// Add makes values known. What is empty, shorter than 4 characters, or an ordinary
// word, is not kept from being said.
func (s *Secrets) Add(values ...string) {
	if s != nil {
		s.learn(&s.given, values)
	}
}

// Obtain makes values known that are replaced by others after a while, such as the
// credentials of a session. Of these only the newest are kept.
func (s *Secrets) Obtain(values ...string) {
	if s != nil {
		s.learn(&s.obtained, values)
	}
}

// obtainedMost is how many of them are kept: those of a few calls that are under way.
const obtainedMost = 32

func (s *Secrets) learn(list *[]string, values []string) {
	s.mu.RLock()
	fresh := slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return unsuitable(v) || slices.Contains(s.given, v) || slices.Contains(s.obtained, v)
	})
	s.mu.RUnlock()
	if len(fresh) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, fresh...)
	s.obtained = s.obtained[max(0, len(s.obtained)-obtainedMost):]
	s.values = nil
	for _, v := range slices.Concat(s.given, s.obtained) {
		s.values = append(s.values, spellings(v)...)
	}
	s.index()
}

// AddAddress makes known what an address holds of passwords and tokens; what is no
// address is a secret as a whole. Where a parser takes a password apart at a / or a #,
// its pieces come out by themselves: they are known, too.
func (s *Secrets) AddAddress(address string) {
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case s == nil:
		return
	case !ok && hostPort.MatchString(address):
		return // a proxy, as it may be given
	case !ok || strings.ContainsAny(scheme, " @/"):
		s.Add(address)
		if strings.Contains(address, "@") {
			s.AddAddress("any://" + strings.ReplaceAll(address, "://", ""))
		}
		return
	}
	rest, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest+query, '@'); at > len(rest) {
		rest, query = rest+"?"+query, "" // the ? is one of the password
	}
	if values, err := url.ParseQuery(query); err == nil {
		for _, all := range values {
			for _, v := range all {
				if len(v) >= pieceLeast {
					s.Add(v)
				}
			}
		}
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return
	}
	user, password, ok := strings.Cut(rest[:at], ":")
	if !ok {
		password, user = user, "" // a token
	}
	plain := password
	if p, err := url.PathUnescape(password); err == nil {
		plain = p
	}
	s.Add(password, plain, base64.StdEncoding.EncodeToString([]byte(user+":"+plain)))
	pieces := strings.FieldsFunc(password, func(r rune) bool { return strings.ContainsRune("/?#@:", r) })
	if len(pieces) < 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pieces {
		if !unsuitable(p) && !slices.Contains(s.words, p) {
			s.words = append(s.words, p)
		}
	}
}

var hostPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]+$`)

// Environ is env, from which everything that is read is known as a secret from then on.
func (s *Secrets) Environ(env func(string) string) func(string) string {
	return func(name string) string {
		value := env(name)
		s.AddAddress(strings.TrimSpace(value))
		return value
	}
}

// unsuitable says that a value cannot be told from what else is said.
func unsuitable(v string) bool {
	return len(v) < cutLeast || len(v) < wordMost && ordinary(v)
}

// ordinary says that something is a word of small letters, or a name made of such.
func ordinary(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return (r < 'a' || r > 'z') && !strings.ContainsRune("-_. ", r) })
}

// spellings are a value as itself, quoted, in an address, in HTML's and in Slack's way.
func spellings(v string) []string {
	out := []string{v, url.QueryEscape(v), url.PathEscape(v), strings.Trim(strconv.Quote(v), `"`), escaper.Replace(v)}
	if b, err := json.Marshal(v); err == nil {
		out = append(out, strings.Trim(string(b), `"`))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *Secrets) index() {
	slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	s.grams = map[string][]origin{}
	for i, v := range s.values {
		for at := 0; at+gram <= len(v); at++ {
			if piece := v[at : at+gram]; len(s.grams[piece]) < 16 { // a value of one character over and over
				s.grams[piece] = append(s.grams[piece], origin{i, at})
			}
		}
	}
}

// Hide is a text without any secret.
func (s *Secrets) Hide(text string) string {
	if s != nil {
		text = s.hide(text)
	}
	return shapes(text)
}

// Error is err, whose text is without any secret; nil for nil. What it wraps is as it
// was.
func (s *Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	return discreet{err, s}
}

type discreet struct {
	error
	secrets *Secrets
}

// Error is the text without any secret.
func (d discreet) Error() string { return d.secrets.Hide(d.error.Error()) }

// Unwrap is the error as it was.
func (d discreet) Unwrap() error { return d.error }

func (s *Secrets) hide(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.values) == 0 {
		return text
	}
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, Hidden)
	}
	text = s.pieces(text)
	for _, w := range s.words {
		text = wholeWord(text, w)
	}
	return s.cut(text)
}

// pieces hides what is part of a secret and long enough to be nothing else.
func (s *Secrets) pieces(text string) string {
	var out strings.Builder
	done := 0
	for i := 0; i+gram <= len(text); {
		from, to := 0, 0
		for _, o := range s.grams[text[i:i+gram]] {
			before, behind := s.values[o.value][:o.at], s.values[o.value][o.at+gram:]
			l, r := i, i+gram
			for l > done && i-l < len(before) && text[l-1] == before[len(before)-1-(i-l)] {
				l--
			}
			for r < len(text) && r-i-gram < len(behind) && text[r] == behind[r-i-gram] {
				r++
			}
			if r-l > to-from {
				from, to = l, r
			}
		}
		if to-from < pieceLeast || ordinary(text[from:to]) {
			i += stride
			continue
		}
		out.WriteString(text[done:from] + Hidden)
		done, i = to, to
	}
	if done == 0 {
		return text
	}
	return out.String() + text[done:]
}

// cut hides the beginning of a secret where a text was cut within it: before an
// ellipsis, and as all that a quotation holds.
func (s *Secrets) cut(text string) string {
	for _, v := range s.values {
		if !strings.Contains(text, v[:min(len(v), cutLeast)]) {
			continue
		}
		for n := min(len(v)-1, pieceLeast-1); n >= cutLeast; n-- {
			begins := v[:n]
			for _, mark := range []string{"…", "..."} {
				text = strings.ReplaceAll(text, begins+mark, Hidden+mark)
			}
			for _, quote := range []string{`"`, "'", "`"} {
				text = strings.ReplaceAll(text, quote+begins+quote, quote+Hidden+quote)
			}
		}
	}
	return text
}

// wholeWord hides a word where no letter or digit is beside it.
func wholeWord(text, word string) string {
	beside := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return text
		}
		i += from
		end := i + len(word)
		if i > 0 && beside(text[i-1]) || end < len(text) && beside(text[end]) {
			from = end
			continue
		}
		text = text[:i] + Hidden + text[end:]
		from = i + len(Hidden)
	}
}

// shape is how a secret looks, whosever it is.
type shape struct {
	may     func(text string) bool // false: surely none is there; a pattern costs much more
	pattern *regexp.Regexp
	by      string
}

// sign says whether any of them stands in a text.
func sign(parts ...string) func(string) bool {
	return func(text string) bool {
		return slices.ContainsFunc(parts, func(s string) bool { return strings.Contains(text, s) })
	}
}

// loggedIn says whether a text may hold an address with a user: an @ in the same word.
func loggedIn(text string) bool {
	for {
		_, rest, ok := strings.Cut(text, "://")
		if !ok {
			return false
		}
		word := rest
		if end := strings.IndexAny(rest, " \"\n\t"); end >= 0 {
			word = rest[:end]
		}
		if strings.Contains(word, "@") {
			return true
		}
		text = rest
	}
}

var shaped = []shape{
	{loggedIn, userinfo, "$1"},
	{sign("://hooks.slack"), regexp.MustCompile(`(https?://hooks\.slack[a-z-]*\.com/[a-z]+/)[^\s"'<>|\\]+`), "${1}" + Hidden},
	{sign("xox"), regexp.MustCompile(`\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{4,}`), Hidden},
	{sign("xapp-"), regexp.MustCompile(`\bxapp-[A-Za-z0-9-]{4,}`), Hidden},
	{sign("earer "), regexp.MustCompile(`\b([Bb]earer )[A-Za-z0-9._~+/=-]*[0-9_~+/=][A-Za-z0-9._~+/=-]{7,}`), "${1}" + Hidden},
	{sign("k8s-aws-v1."), regexp.MustCompile(`\bk8s-aws-v1\.[A-Za-z0-9_-]+`), Hidden},
	{sign("eyJ"), regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}`), Hidden},
	{sign("PRIVATE KEY"), regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\[nr])*(?:-----END [A-Z ]*PRIVATE KEY-----)?`), Hidden},
	{sign("oken=", "icket=", "ecret=", "assword=", "ignature="), regexp.MustCompile(`(?i)([?&](?:amp;)?(?:x-amz-(?:signature|security-token)|ticket|token|access_token|secret|password|signature)=)[^\s&"'<>|\\]+`), "${1}" + Hidden},
}

func shapes(text string) string {
	for _, s := range shaped {
		if s.may(text) {
			text = s.pattern.ReplaceAllString(text, s.by)
		}
	}
	return text
}

// Writer is w, to which only whole lines are handed on, without any secret. What is left
// at the end is handed on by Flush. It may be used by anybody at any time.
func (s *Secrets) Writer(w io.Writer) *LineWriter { return &LineWriter{w: w, secrets: s} }

// LineWriter is a writer of whole lines; see [Secrets.Writer].
type LineWriter struct {
	w       io.Writer
	secrets *Secrets
	mu      sync.Mutex
	rest    []byte
}

// Write takes p, and says that all of it was written.
func (l *LineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	whole := string(l.rest[:end])
	l.rest = append(l.rest[:0], l.rest[end:]...)
	if _, err := io.WriteString(l.w, l.secrets.Hide(whole)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush hands on a last line without an end. It may be called twice.
func (l *LineWriter) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := string(l.rest)
	l.rest = nil
	if rest == "" {
		return nil
	}
	_, err := io.WriteString(l.w, l.secrets.Hide(rest))
	return err
}
