package main

import (
	"testing"
)

func TestTheSpeedOfAStageOfItsOwnIsShownAsFixed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a browser")
	}
	b := openChromium(t)
	next, _ := begun(t, "region-degraded", "", staged(t))
	r := next()
	alice := b.open("Alice", *screens)
	alice.visit(r.slack.URL())
	alice.click("#worldButton", "")
	alice.until("why", `document.getElementById(document.querySelector('#speed:disabled').getAttribute('aria-describedby')).textContent.includes('another --speed')`)
	alice.picture("speed-fixed")
}

func TestEscapeLeavesTheTypedLineToEnter(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a browser")
	}
	b := openChromium(t)
	r := rehearsing(t, "region-degraded")
	alice := b.open("Alice", "")
	alice.visit(r.slack.URL())
	for _, dock := range []string{"world", "practice"} {
		line := "orders fail again, says the " + dock
		alice.click("#"+dock+"Button", "")
		alice.until("the panel", `!document.querySelector('#`+dock+`').hidden && document.querySelector('#`+dock+`Body').children.length`)
		alice.click("#text", "")
		alice.write(line)
		alice.escape()
		alice.until("the panel to be gone", `document.querySelector('#`+dock+`').hidden`)
		alice.enter()
		alice.until("the message", `[...document.querySelectorAll('#messages .text')].some((m) => m.textContent === '`+line+`')`)

		// From within the panel the focus goes to the button that opens it.
		alice.click("#"+dock+"Button", "")
		alice.until("the panel again", `!document.querySelector('#`+dock+`').hidden`)
		b.must(alice.eval(`document.querySelector('#`+dock+` summary, #`+dock+` button').focus()`, nil))
		alice.escape()
		alice.until("the focus on the button", `document.querySelector('#`+dock+`').hidden && document.activeElement.id === '`+dock+`Button'`)
	}
}
