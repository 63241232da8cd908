package text

import "testing"

func TestWhatPeopleTypedMeansNothingToMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"a | b":                     `a \| b`,
		"two\nlines":                "two lines",
		"<!channel> `x`":            "&lt;!channel> \\`x\\`",
		"order_service":             "order_service",
		"_loud_ and *loud*":         `\_loud\_ and \*loud\*`,
		"[x](http://y)":             `\[x\](http\://y)`,
		"~~gone~~":                  `\~\~gone\~\~`,
		"see https://bad.example/a": `see https\://bad.example/a`,
		"WWW.bad.example":           `WWW\.bad.example`,
		"ask @alice, bob@x.example": `ask @<!-- -->alice, bob@<!-- -->x.example`,
		"# big":                     `\# big`,
		"- item":                    `\- item`,
		"12. item":                  `12\. item`,
		"> said":                    `\> said`,
		"R&D &lt; &#64;all":         `R&amp;D &amp;lt; &amp;#64;all`,
		"$x$":                       `\$x\$`,
		`\`:                         `\\`,
		"\x1b[2J\u202eon\u0000":     `\[2Jon`,
		"1.8 s, us-west-2":          "1.8 s, us-west-2",
		"":                          "",
	} {
		if got := Markdown(in); got != want {
			t.Errorf("Markdown(%q) = %q, want %q", in, got, want)
		}
	}
}
