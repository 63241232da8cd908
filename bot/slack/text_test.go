package slack

import "testing"

func TestTextFromOutsideStaysOnItsLine(t *testing.T) {
	for in, want := range map[string]string{
		"one\ntwo":                        "one two",
		"one\r\n\u2028two\u0085three\v":   "one two three",
		"a <@U1> & <!here>":               "a &lt;@U1&gt; &amp; &lt;!here&gt;",
		"\u202egnirts\u202c \x1b[31mred":  "gnirts [31mred",
		"order_service `kubectl get pod`": "order_service `kubectl get pod`", // the runbook's, to be copied
		"tabs\tand   spaces":              "tabs and spaces",
		"ein Rätsel – 日本語 🙂":              "ein Rätsel – 日本語 🙂",
	} {
		if got := line(in); got != want {
			t.Errorf("line(%q) = %q, want %q", in, got, want)
		}
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhatAPersonTypedIsNoMarkup(t *testing.T) {
	for in, want := range map[string]string{
		"it is down":                     "it is down",
		"*Approved by Bob*":              "∗Approved by Bob∗",
		"order_service is _down_":        "order_service is ＿down＿",
		"a ` alone, ~no~":                "a ˋ alone, ∼no∼",
		"> said\n\n*x*":                  "&gt; said ∗x∗",
		"2*3, <!channel> & so on.":       "2∗3, &lt;!channel&gt; &amp; so on.",
		"see https://a.example/?q=a_b&c": "see https://a.example/?q=a_b&amp;c",
	} {
		if got := theirs(in, 100); got != want {
			t.Errorf("theirs(%q) = %q, want %q", in, got, want)
		}
	}
	if got := theirs("ü*ü*ü*", 4); got != "ü∗ü…" {
		t.Errorf("shortened it is %q", got)
	}
}
