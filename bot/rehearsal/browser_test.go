package rehearsal

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

var screens = flag.String("out", "", "a folder for the screenshots of the browser test; none are taken if empty")

// chromium is Debian's, driven through its own debugging protocol.
type chromium struct {
	t    *testing.T
	conn *websocket.Conn

	write sync.Mutex
	mu    sync.Mutex
	last  int
	calls map[int]chan reply
	tabs  map[string]*tab
	gone  error
}

type reply struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func openChromium(t *testing.T) *chromium {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser and what is tried in it take seconds, and -short was asked for")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("chromium is not installed: nothing of the page was tried in a browser (%v)", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), "--no-first-run", "--no-default-browser-check",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
		"--lang=en-US", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank")
	c.Env = append(os.Environ(), "TZ=Europe/Berlin", "HOME="+t.TempDir())
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		stop()
		t.Skipf("chromium is installed and does not start: nothing of the page was tried in a browser (%v)", err)
	}
	b := &chromium{t: t, calls: map[int]chan reply{}, tabs: map[string]*tab{}}
	address := ""
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			address = at
			break
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() { // or it would block
		}
	}()
	t.Cleanup(func() {
		if b.conn != nil {
			_ = b.conn.Close()
		}
		stop()
		<-drained
		_ = c.Wait() // killed
	})
	if address == "" {
		t.Fatal("chromium ended without a debugging address")
	}
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	b.conn = conn
	go b.read()
	return b
}

func (b *chromium) read() {
	for {
		var r reply
		if err := b.conn.ReadJSON(&r); err != nil {
			b.mu.Lock()
			b.gone = err
			for _, c := range b.calls {
				close(c)
			}
			b.calls = nil
			b.mu.Unlock()
			return
		}
		b.mu.Lock()
		c, waits := b.calls[r.ID]
		delete(b.calls, r.ID)
		tab := b.tabs[r.SessionID]
		b.mu.Unlock()
		switch {
		case r.ID != 0 && waits:
			c <- r
		case tab != nil:
			tab.event(r)
		}
	}
}

// call calls a method of the protocol; longest is real time.
func (b *chromium) call(session, method string, params, out any) error {
	const longest = 3 * time.Minute
	if params == nil {
		params = map[string]any{}
	}
	answer := make(chan reply, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return b.gone
	}
	b.last++
	id := b.last
	b.calls[id] = answer
	b.mu.Unlock()
	request := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		request["sessionId"] = session
	}
	b.write.Lock()
	err := b.conn.WriteJSON(request)
	b.write.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), longest)
	defer cancel()
	select {
	case r, ok := <-answer:
		switch {
		case !ok:
			return errors.New("chromium went away")
		case r.Error != nil:
			return errors.New(r.Error.Message)
		case out != nil:
			return json.Unmarshal(r.Result, out)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s was not answered: %w", method, ctx.Err())
	}
}

// tab is one window, in which one person sits.
type tab struct {
	b       *chromium
	session string
	name    string
	pics    string

	mu     sync.Mutex
	asked  []string // every address that was requested
	faults []string // what went wrong in its scripts, or what its policy refused
}

func (b *chromium) open(name, pics string) *tab {
	b.t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "newWindow": true}, &target))
	b.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached))
	t := &tab{b: b, session: attached.Session, name: name, pics: pics}
	b.mu.Lock()
	b.tabs[t.session] = t
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Network", "Runtime", "Log"} {
		t.do(domain+".enable", nil)
	}
	t.size(1440, 900)
	return t
}

// folder is where the screenshots of one test go, if any are wanted.
func (b *chromium) folder(name string) string {
	if *screens == "" {
		return ""
	}
	folder := filepath.Join(*screens, name)
	b.must(os.MkdirAll(folder, 0o755))
	return folder
}

func (b *chromium) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (t *tab) event(r reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.Method {
	case "Network.requestWillBeSent", "Network.webSocketCreated":
		var p struct {
			URL     string `json:"url"`
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		if json.Unmarshal(r.Params, &p) == nil {
			t.asked = append(t.asked, p.URL+p.Request.URL)
		}
	case "Runtime.exceptionThrown":
		t.faults = append(t.faults, string(r.Params))
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Level, Text, Source string }
		}
		if json.Unmarshal(r.Params, &p) == nil && p.Entry.Level == "error" && p.Entry.Source != "network" {
			t.faults = append(t.faults, p.Entry.Text)
		}
	}
}

func (t *tab) do(method string, params any) {
	t.b.t.Helper()
	if err := t.b.call(t.session, method, params, nil); err != nil {
		t.b.t.Fatalf("%s: %s: %v", t.name, method, err)
	}
}

func (t *tab) size(width, height int) {
	t.b.t.Helper()
	t.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

// eval is what an expression, or the promise that it gives, is worth.
func (t *tab) eval(expression string, out any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Fault *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := t.b.call(t.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if err == nil && r.Fault != nil {
		err = errors.New(r.Fault.Text + " " + r.Fault.Exception.Description)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(r.Result.Value, out)
	}
	return err
}

// until waits until an expression holds; it is tried anew at every change of the
// document.
func (t *tab) until(what, expression string) {
	t.b.t.Helper()
	err := t.eval(`new Promise((ok, no) => {
		const look = () => { let v; try { v = (`+expression+`); } catch (e) { v = false; } if (v) { clearTimeout(end); seen.disconnect(); ok(true); } };
		const seen = new MutationObserver(look);
		const end = setTimeout(() => { seen.disconnect(); no(new Error('not in two minutes')); }, 120000);
		seen.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
		look();
	})`, nil)
	if err != nil {
		t.picture("failed")
		var notice string
		_ = t.eval(`document.body.innerText.slice(-1500)`, &notice)
		t.b.t.Fatalf("%s: waited for %s: %v\n%s", t.name, what, err, notice)
	}
}

// click presses the mouse on the last of the elements that a selector finds and
// whose text begins with words.
func (t *tab) click(selector, words string) {
	t.b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q)].filter((e) => e.textContent.trim().startsWith(%q) && !e.disabled && e.getClientRects().length).pop()`, selector, words)
	t.until(selector+" "+words, find)
	var at struct{ X, Y float64 }
	t.b.must(t.eval(`(() => { const e = `+find+`; e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, &at))
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		t.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1})
	}
}

func (t *tab) write(words string) {
	t.b.t.Helper()
	t.do("Input.insertText", map[string]any{"text": words})
}

// key presses a key; keys that write something carry it in text.
func (t *tab) key(name string, code int, text string) {
	t.b.t.Helper()
	down := map[string]any{"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": code}
	if text != "" {
		down["text"] = text
	}
	t.do("Input.dispatchKeyEvent", down)
	t.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name, "code": name, "windowsVirtualKeyCode": code})
}

func (t *tab) enter()  { t.b.t.Helper(); t.key("Enter", 13, "\r") }
func (t *tab) escape() { t.b.t.Helper(); t.key("Escape", 27, "") }

// say types a message or a command, as somebody does.
func (t *tab) say(words string) {
	t.b.t.Helper()
	t.click("#text", "")
	t.write(words)
	t.enter()
}

// choose picks an option of a select by its first letters.
func (t *tab) choose(selector, letters string) {
	t.b.t.Helper()
	t.until(selector, fmt.Sprintf(`document.querySelector(%q)`, selector))
	t.b.must(t.eval(fmt.Sprintf(`document.querySelector(%q).focus()`, selector), nil))
	for _, r := range letters {
		t.key(string(r), int(r), string(r))
	}
}

// picture keeps what is to be seen, in light and in dark.
func (t *tab) picture(name string) {
	t.b.t.Helper()
	if t.pics == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		t.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": scheme}}})
		var shot struct{ Data string }
		t.b.must(t.b.call(t.session, "Page.captureScreenshot", map[string]any{"format": "png", "optimizeForSpeed": true}, &shot))
		data, err := base64.StdEncoding.DecodeString(shot.Data)
		t.b.must(err)
		t.b.must(os.WriteFile(filepath.Join(t.pics, name+"-"+scheme+".png"), data, 0o644))
	}
}

func (t *tab) visit(address string) {
	t.b.t.Helper()
	t.do("Page.navigate", map[string]any{"url": address})
	t.until("the page", `document.querySelectorAll('#who button').length > 1`)
}

// rehearsing runs a rehearsal by hand until the test ends.
func rehearsing(t *testing.T, scenario string) *rehearsal {
	t.Helper()
	r, _ := rehearsingAt(t, scenario, "127.0.0.1:0")
	return r
}

// rehearsingAt runs one at an address, until the test ends or it is ended.
func rehearsingAt(t *testing.T, scenario, listen string) (r *rehearsal, end func()) {
	t.Helper()
	var printed bytes.Buffer
	stands, over := make(chan struct{}), make(chan error, 1)
	r = &rehearsal{
		Options: Options{Scenario: scenario, Speed: 4, Listen: listen, Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	r.ready = func(*rehearsal) error { close(stands); return nil }
	ctx, stop := context.WithCancel(context.Background())
	go func() { over <- r.run(ctx) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-over; err != nil {
			t.Errorf("%v\n%s", err, tail(printed.String(), 20))
		}
	})
	t.Cleanup(end)
	select {
	case <-stands:
	case err := <-over:
		over <- err
		t.Fatal(err)
	}
	return r, end
}

func TestTwoPeopleTakeTheRegionOutByClickingAndTyping(t *testing.T) {
	for _, c := range []struct {
		scenario, mode, changes string // the mode by its first letters, and what moves the database
	}{
		{"region-degraded", "pl", "SwitchoverGlobalCluster"},
		{"region-loss", "un", "FailoverGlobalCluster"},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			t.Parallel() // they mostly wait for pretend time
			takeOut(t, c.scenario, c.mode, c.changes)
		})
	}
}

func takeOut(t *testing.T, scenario, mode, changes string) {
	b := openChromium(t)
	r := rehearsing(t, scenario)
	pics := b.folder(scenario)
	alice, bob := b.open("Alice", pics), b.open("Bob", pics)
	alice.visit(r.slack.URL())
	paint := -1.0
	b.must(alice.eval(`new Promise((ok) => {
		new PerformanceObserver((l) => ok(l.getEntries()[0].startTime)).observe({type: 'paint', buffered: true});
		setTimeout(() => ok(-1), 5000);
	})`, &paint))
	bob.visit(r.slack.URL())
	bob.click("#who button", "BBob")
	alice.until("the bot", `document.querySelector('#link.up')`)

	// A command is completed from the bot's own help.
	alice.click("#text", "")
	alice.write("/fail")
	alice.until("the command", `document.querySelector('#complete li')`)
	alice.key("Tab", 9, "")
	alice.write("st")
	alice.until("the verbs", `[...document.querySelectorAll('#complete li')].some((o) => o.textContent.includes('begin a failover'))`)
	alice.picture("1-completion")
	alice.key("Tab", 9, "")
	alice.write("us-west-2")
	alice.enter()

	// The form asks for what is missing, and says so.
	alice.until("the form", `document.querySelector('#modal[open]')`)
	alice.choose("#modal select", mode)
	alice.click("#modal .foot .primary", "")
	alice.until("what is wrong with the form", `document.querySelector('#modal .fault')`)
	alice.picture("2-form")
	b.must(alice.eval(`document.querySelector('#modal [aria-invalid=true]').focus()`, nil))
	alice.write("a third of the orders in us-east-1 fails")
	if s := alice.severity(); s != "" {
		alice.choose(s, "SEV-1")
	}
	alice.click("#modal .foot .primary", "")
	alice.until("Go", `[...document.querySelectorAll('#messages .b')].some((e) => e.textContent === 'Go')`)
	alice.until("the mark", `document.querySelector('[data-person=U0ALICE] .asked')`)
	alice.click("#worldButton", "")
	alice.until("the world", `document.querySelectorAll('#world .region').length === 2`)
	alice.click("#world .practice > summary", "What to try")
	alice.picture("3-go")
	alice.click("#world .practice > summary", "What to try")
	alice.click("#messages .b", "Go")

	// Not faster: on a loaded machine the question would run out before somebody answers.
	alice.choose("#speed", "10")
	bob.until("a question for Bob", `document.querySelector('#waits .b')`)
	alice.choose("#speed", "4×")
	bob.picture("4-approval")
	bob.click("#waits .b", "Show")
	bob.click("#messages .b", "Approve")
	bob.until("the form", `document.querySelector('#modal[open] input')`)
	bob.click("#modal input", "")
	bob.write("us-east-1")
	bob.click("#modal .foot .primary", "")
	bob.until("that this is not the Region", `document.querySelector('#modal .fault')`)
	bob.picture("5-approve")
	bob.key("a", 65, "")
	b.must(bob.eval(`document.querySelector('#modal input').select()`, nil))
	bob.write("us-west-2")
	bob.click("#modal .foot .primary", "")
	bob.until("the question to be answered", `!document.querySelector('#modal[open]') && !document.querySelector('#waits .b')`)

	// The bot is killed in the middle, and another one goes on. The database is
	// already being moved: killed just before that, the bot would ask Bob again.
	alice.until("the database to be on its way", `[...document.querySelectorAll('#world .region')].length === 2 && !document.querySelector('#world').textContent.includes('Nothing is being moved')`)
	alice.click("#world .b", "Kill the bot")
	alice.until("the bot to be dead", `document.querySelector('#link.down') && [...document.querySelectorAll('#world .b')].some((e) => e.textContent === 'Start the bot')`)
	alice.picture("6-killed")
	alice.click("#world .b", "Start the bot")
	alice.until("another bot", `document.querySelector('#link.up')`)
	// Not faster: on a loaded machine the time of a step would be up before its answer is there.
	alice.choose("#speed", "10")
	bob.click("#wireButton", "")
	bob.until("the wire", `document.querySelectorAll('#wireLines li').length > 5`)
	alice.until("the database to move", `[...document.querySelectorAll('#world .region')].at(-1).textContent.includes('writer')`)
	alice.picture("7-running")
	bob.picture("8-inspector")
	alice.until("mitigation", `[...document.querySelectorAll('#messages .message')].some((m) => /Traffic is served|mitigated/i.test(m.textContent)) && document.querySelector('#pinned summary').textContent.includes('mitigated')`)
	alice.choose("#speed", "4×")
	alice.until("the mark at the end", `document.querySelector('[data-person=U0ALICE] .asked') && document.querySelector('#waits').textContent.includes('is to be resolved')`)
	alice.picture("8-mitigated")
	alice.click("#messages .b", "Resolve")
	alice.until("the mark to go", `!document.querySelector('[data-person=U0ALICE] .asked')`)
	alice.until("the review", `document.querySelector('#messages .file .preview .h')`)
	alice.until("the result", `document.querySelector('#world .result .fate.good')`)
	alice.picture("9-resolved")
	bob.escape()
	bob.click("#messages .replies:not(.startThread)", "")
	bob.until("the thread", `document.querySelectorAll('#replies .message').length > 5`)
	bob.picture("10-thread")
	bob.size(400, 800)
	bob.escape()
	bob.until("the channel alone", `document.querySelector('#thread').hidden`)
	bob.picture("11-narrow")
	bob.click("#menu", "")
	bob.until("the side", `document.querySelector('#menu').getAttribute('aria-expanded') === 'true'`)
	bob.picture("12-narrow-side")
	bob.escape()
	bob.click("#worldButton", "")
	bob.until("the world", `document.querySelectorAll('#world .region').length === 2`)
	bob.picture("13-narrow-world")
	bob.escape()
	bob.until("the channel alone again", `document.querySelector('#world').hidden`)

	// Hostile text is text.
	b.must(bob.eval(`deed('say', {channel, text: '<img src=https://evil.example/x onerror=document.title="x">'})`, nil))
	bob.until("hostile text as text", `[...document.querySelectorAll('#messages .text')].some((e) => e.textContent === '<img src=https://evil.example/x onerror=document.title="x">')`)

	shown := bob.shownAfter(r)
	long := alice.scrolls()
	t.Logf("first paint %.0f ms after the address; a message shown %s after the API call; 500 messages drawn in %.0f ms, one more in %.0f ms; scrolling through them, a frame every %s; the page weighs %.1f kB gzipped",
		paint, spread(shown, " ms"), long.Draw, long.One, spread(long.Frames, " ms"), alice.weight())
	if paint < 0 {
		t.Error("nothing was painted")
	}

	ctx := t.Context()
	id, err := r.current(ctx)
	b.must(err)
	events, err := r.record.Read(ctx, id, 0, 0)
	b.must(err)
	if s := incident.Fold(events); s.ResolvedAt.IsZero() {
		t.Errorf("%s is not resolved but %s", id, s.Phase())
	}
	if faults := r.world.Check(); len(faults) > 0 {
		t.Errorf("the world is not as it should be: %s", strings.Join(faults, "; "))
	}
	if n := r.world.Applied(changes); n != 1 {
		t.Errorf("%s %d times", changes, n)
	}
	home, err := url.Parse(r.slack.URL())
	b.must(err)
	for _, one := range []*tab{alice, bob} {
		one.mu.Lock()
		for _, address := range one.asked {
			if u, err := url.Parse(address); err != nil || u.Host != home.Host && u.Scheme != "about" {
				t.Errorf("%s's page asked for %s", one.name, address)
			}
		}
		if len(one.asked) < 10 {
			t.Errorf("only %d requests of %s were seen", len(one.asked), one.name)
		}
		for _, fault := range one.faults {
			t.Errorf("%s's page: %s", one.name, fault)
		}
		one.mu.Unlock()
	}
	if r.clock.Speed() == sim.Max {
		t.Error("time ran at top speed")
	}
}

// weight is what the page is made of, each file gzipped, in kB.
func (t *tab) weight() float64 {
	t.b.t.Helper()
	const most = 400
	t.mu.Lock()
	addresses := slices.Clone(t.asked)
	t.mu.Unlock()
	var packed bytes.Buffer
	weighed := map[string]bool{}
	for _, address := range addresses {
		u, err := url.Parse(address)
		t.b.must(err)
		part := u.Path == "/" || slices.Contains([]string{".js", ".css", ".svg"}, path.Ext(u.Path))
		if !part || weighed[u.Path] {
			continue
		}
		weighed[u.Path] = true
		req, err := http.NewRequestWithContext(t.b.t.Context(), http.MethodGet, address, nil)
		t.b.must(err)
		resp, err := http.DefaultClient.Do(req)
		t.b.must(err)
		gz := gzip.NewWriter(&packed)
		_, err = io.Copy(gz, resp.Body)
		t.b.must(errors.Join(err, gz.Close(), resp.Body.Close()))
	}
	kB := float64(packed.Len()) / 1000
	if len(weighed) < 4 || kB > most {
		t.b.t.Errorf("the page's %d files weigh %.1f kB gzipped: %v; at most %d are wanted", len(weighed), kB, slices.Sorted(maps.Keys(weighed)), most)
	}
	return kB
}

// shownAfter is how many milliseconds after the call of chat.postMessage each of
// some messages stood on the page.
func (t *tab) shownAfter(r *rehearsal) (took []float64) {
	t.b.t.Helper()
	for i := range 20 {
		words := fmt.Sprintf("Message %d for the stopwatch", i)
		var called time.Time
		for status := 0; status != http.StatusOK; {
			form := strings.NewReader(url.Values{"channel": {channel}, "text": {words}}.Encode())
			req, err := http.NewRequestWithContext(t.b.t.Context(), http.MethodPost, r.reach.SlackAPI+"chat.postMessage", form)
			t.b.must(err)
			req.Header.Set("Authorization", "Bearer "+r.reach.BotToken)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			called = time.Now()
			resp, err := http.DefaultClient.Do(req)
			t.b.must(err)
			_ = resp.Body.Close()
			if status = resp.StatusCode; status == http.StatusTooManyRequests { // a pretend second is shorter
				t.b.must((incident.RealClock{}).Sleep(t.b.t.Context(), 10*time.Millisecond))
			}
		}
		var at float64 // Unix milliseconds, by the same clock as called
		t.b.must(t.eval(`new Promise((ok) => {
			window.stopwatch = window.stopwatch || new Map();
			if (!window.watching) {
				window.watching = new MutationObserver(() => { for (const e of document.querySelectorAll('#messages .text')) if (!window.stopwatch.has(e.textContent)) window.stopwatch.set(e.textContent, performance.timeOrigin + performance.now()); });
				window.watching.observe(document.querySelector('#messages'), {subtree: true, childList: true});
			}
			const look = () => window.stopwatch.has('`+words+`') ? ok(window.stopwatch.get('`+words+`')) : setTimeout(look, 1);
			if ([...document.querySelectorAll('#messages .text')].some((e) => e.textContent === '`+words+`') && !window.stopwatch.has('`+words+`')) ok(-1);
			look();
		})`, &at))
		if at < 0 {
			continue // it was there before anybody looked: the first one
		}
		took = append(took, at-float64(called.UnixMicro())/1000)
	}
	if len(took) < 15 {
		t.b.t.Errorf("only %d messages were seen to come", len(took))
	}
	return took
}

// scrolled is what a channel of 500 messages costs: milliseconds.
type scrolled struct {
	Draw, One float64
	Frames    []float64 // between each two frames, while the wheel turns
}

// scrolls fills a channel with 500 messages, and one more, and turns the wheel.
func (t *tab) scrolls() (s scrolled) {
	t.b.t.Helper()
	t.b.must(t.eval(`(() => {
		const post = (i) => apply({type: 'post', time: state.now, message: {channel: 'C0GENERAL', ts: '1772549000.' + String(i).padStart(6, '0'), user: 'U0EVE', text: 'Message *' + i + '* of many, with <@U0ALICE> and `+"`code`"+`'}});
		go('C0GENERAL');
		for (let i = 0; i < 500; i++) post(i);
		const timed = (f) => { const began = performance.now(); f(); document.body.offsetHeight; return performance.now() - began; };
		const Draw = timed(draw);
		post(500);
		const One = timed(draw);
		$('messages').scrollTop = 0;
		window.frames500 = [];
		let last = 0;
		window.frame = (now) => { if (last) window.frames500.push(now - last); last = now; window.framing = requestAnimationFrame(window.frame); };
		window.framing = requestAnimationFrame(window.frame);
		return {Draw, One};
	})()`, &s))
	var at struct{ X, Y float64 }
	t.b.must(t.eval(`(() => { const r = $('messages').getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, &at))
	t.do("Input.synthesizeScrollGesture", map[string]any{"x": at.X, "y": at.Y, "yDistance": -12000, "speed": 8000, "gestureSourceType": "mouse"})
	var end struct {
		Frames []float64
		Moved  float64
	}
	t.b.must(t.eval(`(cancelAnimationFrame(window.framing), {Frames: window.frames500, Moved: $('messages').scrollTop})`, &end))
	if s.Frames = end.Frames; end.Moved < 5000 || len(s.Frames) < 20 {
		t.b.t.Errorf("scrolled by %.0f in %d frames", end.Moved, len(s.Frames))
	}
	return s
}

// spread is the middle of some figures, the 95th of a hundred, and the worst.
func spread(all []float64, unit string) string {
	if len(all) == 0 {
		return "not measured"
	}
	slices.Sort(all)
	return fmt.Sprintf("%.1f%s (of a hundred, the 95th %.1f, the worst of %d %.1f)", all[len(all)/2], unit, all[len(all)*95/100], len(all), all[len(all)-1])
}

// severity is the selector of the form's field for it, if it has one left to fill.
func (t *tab) severity() (selector string) {
	t.b.t.Helper()
	t.b.must(t.eval(`(() => { const s = [...document.querySelectorAll('#modal select')].find((e) => !e.value); return s ? '#' + CSS.escape(s.id) : ''; })()`, &selector))
	return selector
}

// axe is the source of axe-core, from npm; empty, and why, where it cannot be had.
func axe(t *testing.T) string {
	t.Helper()
	const untested = "; the accessibility of the page was NOT TESTED"
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skipf("npm is not installed%s", untested)
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		data, err := os.ReadFile(filepath.Join("../slack/slacksim/web/axe", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
		"--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000")
	npm.Dir = folder
	if out, err := npm.CombinedOutput(); err != nil {
		for _, sign := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTCACHED", "ERR_SOCKET_TIMEOUT"} {
			if bytes.Contains(out, []byte(sign)) {
				t.Skipf("npm reaches no registry (%s)%s", sign, untested)
			}
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	source, err := os.ReadFile(filepath.Join(folder, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// accessible checks what is on the page now, in light and in dark.
func (t *tab) accessible(stage string) {
	t.b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		t.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": scheme}}})
		t.until("the colours", `document.documentElement.dataset.theme === '`+scheme+`'`)
		var found struct {
			Violations []string
			Passes     int
		}
		t.b.must(t.eval(`axe.run(document, {resultTypes: ['violations']}).then((r) => ({
			Passes: r.passes.length,
			Violations: r.violations.flatMap((v) => v.nodes.slice(0, 4).map((n) => v.id + ' (' + v.impact + '): ' + n.target.join(' ') + ': ' + (n.failureSummary || '').replace(/\s+/g, ' '))),
		}))`, &found))
		for _, v := range found.Violations {
			t.b.t.Errorf("%s, %s: %s", stage, scheme, v)
		}
		if found.Passes < 10 {
			t.b.t.Errorf("%s, %s: only %d rules were tried", stage, scheme, found.Passes)
		}
	}
}

func TestThePagePassesAnAccessibilityCheck(t *testing.T) {
	b := openChromium(t)
	check := axe(t)
	r := rehearsing(t, "region-degraded")
	alice := b.open("Alice", "")
	alice.visit(r.slack.URL())
	b.must(alice.eval(check+";0", nil))
	alice.until("the bot", `document.querySelector('#link.up')`)
	alice.click("#text", "")
	alice.write("/failover s")
	alice.until("the verbs", `document.querySelector('#complete li')`)
	alice.accessible("completion")
	alice.write("tart us-west-2")
	alice.enter()
	alice.until("the form", `document.querySelector('#modal[open]')`)
	alice.click("#modal .foot .primary", "")
	alice.until("what is wrong with the form", `document.querySelector('#modal .fault')`)
	alice.accessible("form")

	// What stands in a form survives a reload of the page.
	b.must(alice.eval(`document.querySelector('#modal textarea').focus()`, nil))
	alice.write("orders fail")
	alice.visit(r.slack.URL())
	alice.until("the form again", `document.querySelector('#modal[open] textarea').value === 'orders fail'`)
	b.must(alice.eval(check+";0", nil))
	alice.choose("#modal select", "pl")
	alice.click("#modal .foot .primary", "")
	alice.until("Go", `[...document.querySelectorAll('#messages .b')].some((e) => e.textContent === 'Go')`)
	alice.click("#worldButton", "")
	alice.until("the world", `document.querySelectorAll('#world .region').length === 2`)
	alice.accessible("the world")
	alice.click("#wireButton", "")
	alice.until("the wire", `document.querySelectorAll('#wireLines li').length > 5`)
	alice.click("#wireLines summary", "")
	alice.until("what went over it", `document.querySelector('#wireLines pre')`)
	alice.click("#wireFilter", "")
	alice.write("api chat.update")
	alice.until("the filter", `[...document.querySelectorAll('#wireLines .what')].every((e) => e.textContent === 'chat.update')`)
	alice.accessible("the inspector")
	alice.click("#messages .replies:not(.startThread)", "")
	alice.until("the thread", `document.querySelectorAll('#replies .message').length > 1`)
	alice.accessible("a thread")

	// A link to a message shows it.
	var ts string
	b.must(alice.eval(`questions()[0].m.ts`, &ts))
	alice.visit(r.slack.URL() + "archives/C0INCIDENT/p" + strings.ReplaceAll(ts, ".", ""))
	alice.until("the message that was linked to", `document.querySelector('#messages .found').dataset.ts === '`+ts+`'`)

	// Every kind of block is drawn, and one that is not known is shown as it is.
	var drawn struct {
		Known, Unknown string
	}
	b.must(alice.eval(`(() => {
		const t = (text) => ({type: 'mrkdwn', text}), p = (text) => ({type: 'plain_text', text});
		const draft = {values: {}, fields: [], where: {}};
		const draw = (b) => block(b, {}, {}, draft);
		const known = [
			{type: 'header', text: p('A header')}, {type: 'divider'}, {type: 'section', text: t('*bold* <!date^1772546471^{time_secs}|14:01> <https://example.com|a link>'), fields: [t('one'), t('two')]},
			{type: 'context', elements: [t('context')]}, {type: 'actions', elements: [{type: 'button', action_id: 'a', text: p('A button'), style: 'danger'}]},
			{type: 'image', image_url: '/icon.svg', alt_text: 'a picture', title: p('a title')},
			{type: 'rich_text', elements: [{type: 'rich_text_list', style: 'ordered', elements: [{type: 'rich_text_section', elements: [{type: 'text', text: 'rich', style: {bold: true}}]}]}]},
			{type: 'input', block_id: 'i', label: p('An input'), element: {type: 'plain_text_input', action_id: 'x'}},
			{type: 'markdown', text: '# Title\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n- item'},
		].map(draw);
		const holds = [['h3'], ['hr'], ['strong', 'time', 'a', '.fields'], ['.context'], ['button.danger'], ['img', 'figcaption'], ['ol li strong'], ['label', 'input'], ['.h1', 'table td strong', 'ul li']];
		const lacks = known.flatMap((n, i) => holds[i].filter((s) => !n.matches(s) && !n.querySelector(s)).map((s) => i + ' lacks ' + s));
		const unknown = [draw({type: 'galaxy', stars: 7}), draw({type: 'section', fields: 7})];
		return {Known: lacks.join(', '), Unknown: unknown.map((n) => n.textContent).join(' ')};
	})()`, &drawn))
	if drawn.Known != "" || !strings.Contains(drawn.Unknown, `"stars": 7`) || !strings.Contains(drawn.Unknown, `"fields": 7`) {
		t.Errorf("%+v", drawn)
	}
}

// approveInHome finds the button of an open question in App Home.
const approveInHome = `[...document.querySelectorAll('#messages .b')].find((e) => e.textContent.startsWith('Approve') && e.getClientRects().length)`

func TestTheApprovalIsGivenInAppHomeAndAMessageIsPutOnTheRecord(t *testing.T) {
	b := openChromium(t)
	next, _ := begun(t, "region-degraded", "")
	r := next()
	pics := b.folder("home")
	alice, bob := b.open("Alice", pics), b.open("Bob", pics)
	alice.visit(r.slack.URL())
	bob.visit(r.slack.URL())
	bob.click("#who button", "BBob")
	alice.picture("1-welcome")

	// Another scenario is picked on the page, and both pages go on in it by themselves.
	alice.click("#practiceButton", "")
	alice.until("the scenarios", fmt.Sprintf(`document.querySelectorAll('#practice .story').length === %d`, len(sim.Scenarios())))
	alice.picture("2-practice")
	alice.click(`#practice .story[data-key="region-loss"] .b`, "Rehearse this")
	r = next()
	for _, one := range []*tab{alice, bob} {
		one.until("the other rehearsal", `document.querySelector('#link.up') && !document.querySelector('#notice').textContent`)
		one.until("who it was", `document.querySelector('#who [aria-pressed=true]').textContent.includes('`+one.name+`')`)
	}
	alice.until("a panel that can be opened", `document.querySelector('#practice').hidden`)
	alice.click("#practiceButton", "")
	alice.until("its story", `document.querySelector('#practice .story[data-key=this]').textContent.includes('us-east-1 is gone')`)

	place := func() (top float64) {
		b.must(bob.eval(`document.querySelector('#direct').getBoundingClientRect().top`, &top))
		return top
	}
	before := place()

	// Long enough for the Region to go, then the story begins.
	r.clock.SetSpeed(30)
	slacktest.Until(t, "the loss", func() bool { return r.world.Snapshot().Regions["us-east-1"].Lost })
	alice.say("/failover start us-west-2 unplanned us-east-1 does not answer")
	alice.until("what is missing, or Go", `document.querySelector('#modal[open]') || document.querySelector('#pinned:not([hidden])')`)
	var form bool
	b.must(alice.eval(`!!document.querySelector('#modal[open]')`, &form))
	if form {
		if s := alice.severity(); s != "" {
			alice.choose(s, "SEV-1")
		}
		alice.click("#modal .foot .primary", "")
	}
	alice.until("Go", `[...document.querySelectorAll('#messages .b')].some((e) => e.textContent === 'Go')`)
	alice.until("the pin and the topic", `document.querySelector('#pinsButton').textContent.includes('1') && document.querySelector('#topic').textContent.includes('INC-')`)
	if topic := alice.text("#topic"); !strings.HasPrefix(topic, "REHEARSAL") || !strings.Contains(topic, "us-west-2") {
		t.Errorf("the topic is %q", topic)
	}
	alice.click("#messages .b", "Go")

	// Bob reads App Home and nothing else. His page, too, has found the other
	// rehearsal by now: it would take him back to the channel.
	bob.until("the incident", `document.querySelector('#topic').textContent.includes('INC-')`)
	bob.click("#direct button", "")
	bob.click("#homeTab", "")
	bob.until("what waits for Bob", approveInHome)
	bob.until("who is asked", `document.querySelectorAll('#who .asked').length === 2`)
	if after := place(); after != before { // a click of just then would go astray
		t.Errorf("the list below the people is at %v, and at %v when some of them are asked", before, after)
	}
	r.clock.SetSpeed(4)
	bob.picture("3-home-asked")
	bob.click("#messages .b", "Approve")
	bob.until("the form", `document.querySelector('#modal[open] input')`)
	bob.click("#modal input", "")
	bob.write("us-west-2")
	bob.click("#modal .foot .primary", "")
	bob.until("nothing to wait for him", `!document.querySelector('#modal[open]') && !(`+approveInHome+`) && document.querySelector('#messages').textContent.includes('Nothing waits for you')`)
	bob.picture("4-home")

	// What somebody writes becomes a note by the menu beside it.
	alice.say("The database team watches from the bridge")
	mine := `[...document.querySelectorAll('#messages .message')].find((m) => m.textContent.includes('The database team watches'))`
	alice.until("her words", mine)
	r.clock.SetSpeed(0.5) // so that no news scrolls them away from under the pointer
	alice.rest(mine, `(`+mine+`).querySelector('.moreActions')`)
	alice.click("#messages .moreActions", "")
	alice.picture("5-menu")
	alice.click("#menuList [role=menuitem]", "Put on the record")
	ctx := t.Context()
	id, err := r.current(ctx)
	b.must(err)
	read := func() (note incident.NoteAdded, by incident.Event) {
		events, err := r.record.Read(ctx, id, 0, 0)
		b.must(err)
		for _, e := range events {
			if n, ok := e.Body.(incident.NoteAdded); ok {
				note, by = n, e
			}
		}
		return note, by
	}
	cameBy := func(e incident.Event, id string) bool {
		return e.Via != nil && *e.Via == (incident.Via{Face: incident.FaceSlack, ID: id})
	}
	r.clock.SetSpeed(4)
	slacktest.Until(t, "the note", func() bool { n, _ := read(); return n.Text != "" })
	if n, by := read(); by.Actor != "alice" || !cameBy(by, "U0ALICE") || !strings.Contains(n.Text, "The database team watches from the bridge") {
		t.Errorf("%s noted %q, by way of %v", by.Actor, n.Text, by.Via)
	}
	events, err := r.record.Read(ctx, id, 0, 0)
	b.must(err)
	given := 0
	for _, e := range events {
		if g, ok := e.Body.(incident.ApprovalGiven); ok && g.Kind == incident.AskApprove {
			if given++; e.Actor != "bob" || !cameBy(e, "U0BOB") {
				t.Errorf("%s approved, by way of %v", e.Actor, e.Via)
			}
		}
	}
	if given != 1 {
		t.Errorf("%d approvals", given)
	}

	// What the channel has is listed beside it.
	alice.click("#pinsButton", "")
	alice.until("the pinned card", `document.querySelectorAll('#pinList li').length === 1`)
	alice.click("#membersTab", "")
	alice.until("the members", `document.querySelectorAll('#memberList li').length === 6`)
	alice.picture("6-members")
	for _, one := range []*tab{alice, bob} {
		one.mu.Lock()
		for _, fault := range one.faults {
			t.Errorf("%s's page: %s", one.name, fault)
		}
		one.mu.Unlock()
	}
}

func TestThePageKeepsItsPlaceAndSaysWhatCameOfIt(t *testing.T) {
	b := openChromium(t)
	r := rehearsing(t, "region-degraded")
	pics := b.folder("place")
	alice := b.open("Alice", pics)
	alice.visit(r.slack.URL())
	alice.until("the bot", `document.querySelector('#link.up')`)
	holds := func(what, expression string) {
		t.Helper()
		var is bool
		if b.must(alice.eval(`!!(`+expression+`)`, &is)); !is {
			alice.picture("failed")
			t.Errorf("%s: %s does not hold", what, expression)
		}
	}
	const ignored = "0" // of an expression whose value is not asked for

	alice.until("where to begin", `$('welcome').textContent.includes(capital(stage.title)) && $('welcome').textContent.includes('The mode that fits: planned')`)
	alice.picture("1-welcome")
	holds("minutes", `span(419.7) === '7 min 0 s' && span(400.2) === '6 min 40 s' && span(89.6) === '1 min 30 s'`)

	// Back goes to the channel before, in the same page.
	b.must(alice.eval(`window.same = true; `+ignored, nil))
	alice.click("#channels button", "#general")
	alice.click("#direct button", "")
	alice.until("App Home", `channel === 'home' && location.pathname === '/archives/home'`)
	for _, want := range []string{"C0GENERAL", "C0INCIDENT"} {
		b.must(alice.eval(`history.back(); `+ignored, nil))
		alice.until("the one before", `channel === '`+want+`' && $('name').textContent.startsWith('#')`)
	}
	holds("after Back", `window.same && location.pathname === '/'`)
	alice.visit(r.slack.URL() + "archives/C0GENERAL")
	alice.until("the channel of the address", `channel === 'C0GENERAL'`)

	// Its own messages are only read.
	alice.click("#direct button", "")
	alice.click("#directTab", "")
	alice.until("that nothing can be written", `$('composer').hidden && !$('closed').hidden && $('join').hidden && $('closedWords').textContent.includes('turned off')`)
	alice.picture("2-read-only")
	alice.click("#channels button", "#incident")

	// What could not be sent is not said for ever.
	r.slack.SetAway(true)
	alice.until("the outage", `!$('away').hidden`)
	alice.say("anybody?")
	alice.until("the refusal", `$('notice').textContent.includes('Nothing was sent')`)
	r.slack.SetAway(false)
	alice.until("Slack", `$('away').hidden && !$('notice').textContent`)
	alice.until("the bot", `document.querySelector('#link.up')`)
	b.must(alice.eval(`$('text').value = ''; `+ignored, nil))

	// The answer to a command is in the inspector.
	alice.say("/failover status")
	alice.click("#wireButton", "")
	alice.until("the answer", `[...document.querySelectorAll('#wireLines .what')].some((e) => e.textContent === 'response_url')`)
	alice.click("#wireFilter", "")
	alice.write("galaxy")
	alice.until("that there is none", `$('wireLines').textContent.includes('lines holds “galaxy”')`)
	alice.picture("3-inspector")
	alice.click("#wireClose", "")

	// A panel that was open is there at once after a reload.
	alice.click("#worldButton", "")
	alice.until("the world", `document.querySelector('#world .region')`)
	alice.visit(r.slack.URL())
	var draws struct{ State, World float64 }
	alice.until("the world again", `document.querySelector('#world .region')`)
	b.must(alice.eval(`(() => {
		const last = (path) => performance.getEntriesByType('resource').filter((e) => e.name.includes(path)).sort((a, b) => a.startTime - b.startTime);
		return {State: last('/rehearsal/state')[0].responseEnd, World: last('/panel/world')[0].startTime};
	})()`, &draws))
	t.Logf("the state was there after %.0f ms, the world was asked for after %.0f ms", draws.State, draws.World)
	if draws.World < draws.State { // and is asked for again a second later
		t.Error("the world is asked for before there is anything to draw it with")
	}
	var here, there string
	b.must(alice.eval(`(() => [...document.querySelectorAll('summary')].filter((e) => e.textContent.startsWith('What to try')).map((e) => e.textContent))().join()`, &here))
	if here, there, _ = strings.Cut(here, ","); here != there || here == "" {
		t.Errorf("what to try is counted as %q and %q", here, there)
	}
	alice.click("#worldClose", "")

	// With the keyboard, in a narrow window.
	alice.size(400, 800)
	b.must(alice.eval(`$('menu').focus()`, nil))
	alice.enter()
	alice.until("the people", `document.activeElement === document.querySelector('#who button') && document.querySelector('main').inert`)
	for range 12 {
		alice.key("Tab", 9, "")
		holds("behind the drawer", `!document.activeElement.closest('main')`)
	}
	alice.escape()
	alice.until("the way back", `document.activeElement === $('menu') && !document.querySelector('main').inert && !document.body.classList.contains('sideOpen')`)
	alice.enter()
	alice.until("the people again", `document.activeElement === document.querySelector('#who button')`)
	alice.enter() // Alice herself
	alice.until("a drawer that closes", `!document.body.classList.contains('sideOpen')`)

	// A button that goes when it was pressed leaves the focus where it was.
	alice.say("/failover start us-west-2 planned orders fail")
	alice.until("what is missing, or Go", `document.querySelector('#modal[open]') || document.querySelector('#pinned:not([hidden])')`)
	if s := alice.severity(); s != "" {
		alice.choose(s, "SEV-1")
		alice.click("#modal .foot .primary", "")
	}
	goes := `[...document.querySelectorAll('#messages .b')].find((e) => e.textContent === 'Go')`
	alice.until("Go", goes)
	alice.until("the mark beside the menu", `$('menu').matches('.waiting') && $('menu').getAttribute('aria-label').includes('you are asked')`)
	alice.picture("4-asked")
	b.must(alice.eval(`window.asking = `+goes+`.closest('.message').dataset.ts; `+goes+`.focus(); `+ignored, nil))
	alice.enter()
	alice.until("an answered question", `!(`+goes+`)`)
	alice.until("the focus", `document.activeElement.matches('.message') && document.activeElement.dataset.ts === window.asking`)
	alice.size(1024, 700)

	// A fault that belongs to no field is seen in a form that is longer than the window.
	b.must(alice.eval(`(() => {
		const blocks = [1, 2, 3, 4, 5, 6, 7].map((n) => ({type: 'input', block_id: 'b' + n, label: {type: 'plain_text', text: 'Field ' + n}, element: {type: 'plain_text_input', action_id: 'a', multiline: true}}));
		state.views.push({id: 'V0LONG', view: {title: {text: 'Long'}, submit: {text: 'Send'}, blocks}});
		showTopView({'': 'Slack is away. Nothing was sent.'});
	})()`, nil))
	holds("a fault below the fold", `(() => { const at = document.querySelector('#modal .fault[role=alert]').getBoundingClientRect(), box = document.querySelector('#modal .content').getBoundingClientRect(); return at.top >= box.top && at.bottom <= box.bottom + 1; })()`)
	alice.picture("5-fault")
	r.slack.SetAway(true)
	alice.until("the outage", `state.away`)
	r.slack.SetAway(false)
	alice.until("a form that says nothing old", `!state.away && $('modal').open && !document.querySelector('#modal .fault')`)
	b.must(alice.eval(`state.views.pop(); showTopView(); `+ignored, nil))
	alice.until("the bot", `document.querySelector('#link.up')`)

	// What is new is at the top of the panel, wherever it was left.
	alice.click("#practiceButton", "")
	alice.until("the scenarios", `document.querySelectorAll('#practice .story').length > 5`)
	b.must(alice.eval(`$('practiceBody').scrollTop = 900; `+ignored, nil))
	holds("a panel that scrolls", `$('practiceBody').scrollTop > 300`)
	alice.click("#practiceClose", "")

	// Stopped before anybody was served.
	alice.say("/failover abort leave it was something else")
	alice.until("what is asked, or the end", `document.querySelector('#modal[open]') || document.querySelector('#confirm[open]') || $('pinned').textContent.includes('aborted')`)
	for _, d := range []string{"modal", "confirm"} {
		var open bool
		if b.must(alice.eval(`$('`+d+`').open`, &open)); open {
			alice.click("#"+d+" .foot .b:last-child", "")
		}
	}
	alice.until("the end", `$('pinned').textContent.includes('aborted')`)
	alice.say("/failover resolve unserved it was something else")
	alice.click("#practiceButton", "")
	alice.until("what came of it", `document.querySelector('#practice .result')`)
	alice.until("the close", `document.querySelector('#practice .result .fate').textContent.startsWith('✕ Closed, not restored')`)
	holds("without service", `!document.querySelector('#practice .result.good') && document.querySelector('#practice .result .total').textContent.startsWith('Service was not restored: stopped after')`)
	holds("without service", `[...document.querySelectorAll('#practice .result tr')].filter((r) => r.textContent.startsWith('Until')).map((r) => r.querySelector('td').textContent).slice(1).join() === '-,-'`)
	holds("a new result", `$('practiceBody').scrollTop === 0`)
	alice.picture("5-aborted")
	alice.click("#practiceClose", "")

	// A message says who is waited for, whoever its text names.
	var asked []string
	b.must(alice.eval(`(() => {
		put(state.messages[channel], {channel, ts: '1.000001', user: state.bot.id, text: 'Approve', metadata: {event_type: 'failoverbot', event_payload: {waits_for: ['U0BOB', 'U0CAROL'], asks: 'Approve'}},
			blocks: [{type: 'section', text: {type: 'mrkdwn', text: '<@U0BOB>: approve or decline\n<@U0ALICE> asked'}}]});
		draw();
		return questions().at(-1).people;
	})()`, &asked))
	if !slices.Equal(asked, []string{"U0BOB", "U0CAROL"}) {
		t.Errorf("asked are %v", asked)
	}
	holds("the role beside the mark", `(() => { const s = document.querySelector('[data-person=U0CAROL] small'); return document.querySelector('[data-person=U0CAROL] .asked') && s.scrollWidth <= s.clientWidth; })()`)
	alice.picture("6-marks")
	alice.mu.Lock()
	defer alice.mu.Unlock()
	for _, fault := range alice.faults {
		t.Errorf("the page: %s", fault)
	}
}

func TestThePageSaysOfTheBotAndTheRehearsalWhatIsSo(t *testing.T) {
	b := openChromium(t)
	r, end := rehearsingAt(t, "region-degraded", "127.0.0.1:0")
	pics := b.folder("so")
	alice := b.open("Alice", pics)
	alice.visit(r.slack.URL())
	alice.until("the bot", `document.querySelector('#link.up')`)

	// What the bot did not hear is said until it is back.
	b.must(r.panel.do(StageDeed{Do: "kill"}))
	alice.until("the end of the bot", `document.querySelector('#link.down')`)
	alice.say("/failover status")
	alice.until("that it did not hear", `$('notice').textContent.includes('it was not connected')`)
	alice.picture("1-dead")
	b.must(r.panel.do(StageDeed{Do: "start"}))
	alice.until("the bot, and nothing old", `document.querySelector('#link.up') && !$('notice').textContent`)
	alice.picture("2-back")

	// At sixty times life three seconds of the clock are soon over.
	b.must(r.panel.do(StageDeed{Do: "speed", Speed: "60"}))
	const late = `[...document.querySelectorAll('#messages .message')].filter((m) => m.textContent.includes('could not be opened in time')).length`
	open := false
	for n := 0; !open && n < 10; n++ { // they are 50 ms, which a loaded machine may need itself
		alice.say("/failover start us-west-2")
		alice.until("the form, or that it was too late for it", fmt.Sprintf(`document.querySelector('#modal[open]') || %s > %d`, late, n))
		b.must(alice.eval(`!!document.querySelector('#modal[open]')`, &open))
	}
	alice.until("the form", `document.querySelector('#modal[open]')`)
	alice.click("#modal .foot .b", "Cancel")
	alice.until("the channel", `!$('modal').open`)

	// Without the rehearsal nothing is known of the bot, until there is another one.
	end()
	alice.until("that nobody answers", `$('notice').textContent.includes('does not answer') && document.querySelector('#link.down').textContent === 'The rehearsal does not answer'`)
	alice.picture("3-gone")
	rehearsingAt(t, "region-degraded", r.sameAddress())
	alice.until("the next one", `document.querySelector('#link.up') && $('link').textContent.endsWith('is connected') && !$('notice').textContent`)
	alice.picture("4-again")
	alice.mu.Lock()
	defer alice.mu.Unlock()
	for _, fault := range alice.faults {
		t.Errorf("the page: %s", fault)
	}
}

// text is what stands in an element.
func (t *tab) text(selector string) (words string) {
	t.b.t.Helper()
	t.b.must(t.eval(fmt.Sprintf(`document.querySelector(%q).textContent`, selector), &words))
	return words
}

// rest puts the pointer on what an expression finds, and follows it where news has moved it
// meanwhile, until what is to come of it shows.
func (t *tab) rest(find, shows string) {
	t.b.t.Helper()
	for range 300 {
		t.point(find)
		var there bool
		t.b.must(t.eval(`new Promise((ok) => setTimeout(() => ok(!!(`+shows+`)), 200))`, &there))
		if there {
			return
		}
	}
	t.until(shows, shows) // it says what is there instead
}

// point moves the pointer to what an expression finds.
func (t *tab) point(find string) {
	t.b.t.Helper()
	var at struct{ X, Y float64 }
	t.b.must(t.eval(`(() => { const e = `+find+`; e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, &at))
	t.do("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": at.X, "y": at.Y})
}
