package slack

import (
	"errors"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident/text"
)

func TestEachMarkHasItsMarkup(t *testing.T) {
	at := time.Date(2026, 3, 4, 14, 2, 31, 0, time.UTC)
	f := mrkdwn{
		user: func(id string) string {
			return map[string]string{"alice": "UALICE", "evil": "U1> <!channel"}[id]
		},
		called: func(id string) string { return map[string]string{"evil": "Eve <*>"}[id] },
	}
	for want, said := range map[string]text.Text{
		"us-east-1 -&gt; us-west-2 &amp; on":         text.Format("%s -> %s & on", "us-east-1", "us-west-2"),
		"<@UALICE> can":                              text.Format("%v can", text.Person("alice")),
		"Eve &lt;∗&gt; can":                          text.Format("%v can", text.Person("evil")), // no user id is known
		"stranger can":                               text.Format("%v can", text.Person("stranger")),
		"Try `/failover start us-west-2 planned`.":   text.Format("Try {start %s planned}.", "us-west-2"),
		"`/failover a ˋ b &lt;!channel&gt;`":         text.Format("{%s}", "a ` b <!channel>"),
		"`us-wst-2 *` is not a Region":               text.Format("%v is not a Region", text.Exactly("us-wst-2 *")),
		"✓ `ok     ` Lag":                            text.Format("✓ %v Lag", text.ID("ok     ")),
		"*Now* at 14:02 UTC":                         text.Format("%v at %v", text.Heading("Now"), text.At(at, text.ToMinute)),
		"*∗a∗* at 14:02:31 UTC":                      text.Format("%v at %v", text.Heading("%s", "*a*"), at),
		"run `kubectl get po &gt; *`, *now*\nor not": text.Passage("run `kubectl get po > *`, *now*\nor not"),
		"failed: ∗down∗ &lt;@U1&gt; / ＿x＿":           text.Format("failed: %v", errors.New("*down* <@U1> / _x_")),
		"```\nv a  1/2\n&gt; ˋˋˋ 0/1\n``` end":       text.Format("%v end", text.Aligned("v a  1/2", "> ``` 0/1")),
		"a &amp;lt;@U1&amp;gt; b":                    text.Format("a %s b", "&lt;@U1&gt;"), // as typed
		"the title ∗Go∗ of order_service":            text.Format("the title %s", "*Go* of order_service"),
		"&lt;!channel&gt; &lt;!here&gt;":             text.Format("<!channel> %s", "<!here>"),
		"&lt;https://evil|click&gt;":                 text.Format("%v", text.Quote("<https://evil|click>")),
	} {
		if got := f.render(said); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (mrkdwn{}).render(text.Person("UBOB")); got != "<@UBOB>" {
		t.Errorf("an id that is Slack's: %q", got)
	}
}

func TestAPersonsWordsCannotLookLikeTheBots(t *testing.T) {
	for typed, want := range map[string]string{
		"plain words, order_service at 14:02":  "plain words, order_service at 14:02",
		"all well\n*INC-2026-0001* · resolved": "all well / ∗INC-2026-0001∗ · resolved",
		" one \r\n\n two\u2028three\vfour\n":   "one / two / three / four",
		"_loud_ and ~gone~ and a_b_":           "＿loud＿ and ∼gone∼ and a_b＿",
		"```\nunclosed":                        "ˋˋˋ / unclosed",
		"`code` <!channel> & >":                "ˋcodeˋ &lt;!channel&gt; &amp; &gt;",
		"a\tb\x00c\u202ed":                     "a bcd",
		"\n\n":                                 "",
	} {
		if got := (mrkdwn{}).render(text.Quote(typed)); got != want {
			t.Errorf("%q is shown as %q, want %q", typed, got, want)
		}
	}
}
