package text

import (
	"regexp"
	"strings"
)

// Markdown is text from outside on one line, without meaning to Markdown as GitHub
// and GitLab read it: nothing in it is emphasised, struck out, a heading, a list, a
// cell of a table, a formula, HTML, a link, or a mention that calls somebody. What is
// shown is what was typed.
func Markdown(s string) string {
	s = markup.Replace(Inline(s))
	s = edge.ReplaceAllStringFunc(s, func(u string) string { return strings.ReplaceAll(u, "_", `\_`) })
	s = address.ReplaceAllString(s, `$1\://`)
	s = web.ReplaceAllString(s, `$1\.`)
	// A backslash is gone when mentions and addresses of mail are looked for, in what
	// is shown already; a comment parts them there too.
	s = mention.ReplaceAllString(s, "@<!-- -->$1")
	return opening.ReplaceAllString(s, `$1\$2`)
}

var (
	markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "|", `\|`, "<", "&lt;", "[", `\[`, "]", `\]`, "~", `\~`, "$", `\$`, "&", "&amp;")
	// An underscore inside a word is a letter to Markdown; at its edge it is not.
	edge = regexp.MustCompile(`\b_+|_+\b`)
	// What is made a link although nobody marked it as one.
	address = regexp.MustCompile(`(\w)://`)
	web     = regexp.MustCompile(`(?i)\b(www)\.`)
	mention = regexp.MustCompile(`@(\w)`)
	// What makes a heading, a quotation, a list or a rule of a line that begins so.
	opening = regexp.MustCompile(`^([0-9]{0,9})([.)] |[.)]$|#+ |#+$|>|[+-] |--|=)`)
)
