package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// panel is what the page of a rehearsal shows beside the channel, and what can
// be done there to the stage: the bot killed and started, Slack taken away, the
// speed changed, another scenario begun.
//
//	GET, POST /panel/world          the world; see sim.World.Panel
//	GET, POST /panel/stage          a Stage; a StageDeed
//	GET       /panel/help?as=U1     what that person may say to the bot
//	GET       /panel/practice       a Practice
type panel struct {
	r      *rehearsal
	starts chan struct{}
	others []Story

	mu      sync.Mutex
	running *runningBot // nil while there is none
	why     string      // it could not be started
	next    string      // the scenario that was asked for

	wanted bool // a bot that is killed is not, until it is started

	killed, revived bool // in the middle of an incident, by somebody on the page
	broke           atomic.Bool
}

// runningBot is a bot and the process that it runs in.
type runningBot struct {
	bot     *bot.Bot
	process *botProcess
	ctx     context.Context //nolint:containedctx // it ends with the process
}

// Stage is how the rehearsal itself stands.
type Stage struct {
	// Scenario is the one that is played, and Life counts the rehearsals that this
	// address has seen, this one included.
	Scenario string `json:"scenario"`
	Life     int    `json:"life"`
	Speed    string `json:"speed"`
	// Bot is up, down, or elsewhere: in a process of its own.
	Bot    string `json:"bot"`
	Why    string `json:"why,omitempty"`
	Away   bool   `json:"away"` // Slack is
	Target string `json:"target"`
	// Title and About say what is wrong, Mode which failover fits.
	Title string `json:"title"`
	About string `json:"about"`
	Mode  string `json:"mode"`
	// Fixed says why no other scenario can be begun here, and SpeedFixed why the speed
	// stays as it is; empty when it is otherwise.
	Fixed      string `json:"fixed,omitempty"`
	SpeedFixed string `json:"speed_fixed,omitempty"`
}

// StageDeed changes it: kill, start, away, back, speed or scenario.
type StageDeed struct {
	Do       string `json:"do"`
	Speed    string `json:"speed,omitempty"`
	Scenario string `json:"scenario,omitempty"`
}

func newPanel(r *rehearsal) *panel {
	return &panel{r: r, starts: make(chan struct{}, 1), others: r.stories(), wanted: true}
}

func (b *panel) routes(mux *http.ServeMux) {
	mux.Handle("/panel/world", b.r.world.Panel(func(d sim.Breakage) {
		if d.On { // else it was mended
			b.broke.Store(true)
		}
	}))
	mux.HandleFunc("GET /panel/practice", b.practice)
	mux.HandleFunc("GET /panel/stage", func(w http.ResponseWriter, _ *http.Request) { panelJSON(w, http.StatusOK, b.stage()) })
	mux.HandleFunc("POST /panel/stage", b.act)
	mux.HandleFunc("GET /panel/help", b.help)
}

func panelJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader hung up
}

func (b *panel) stage() Stage {
	s := Stage{
		Scenario: b.r.scn.Name, Life: b.r.nth, Speed: b.r.clock.Speed().String(), Bot: "down", Away: b.r.slack.Away(),
		Target: b.r.scn.Target, Title: b.r.scn.Title, About: strings.TrimSpace(b.r.scn.About), Mode: b.r.scn.Mode, Fixed: b.fixed(),
		SpeedFixed: b.speedFixed(),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Why = b.why
	switch {
	case b.r.StageFile != "":
		s.Bot = "elsewhere"
	case b.running != nil:
		s.Bot = "up"
	}
	return s
}

// fixed is why this rehearsal cannot give way to another.
func (b *panel) fixed() string {
	switch {
	case b.r.Auto:
		return "the people of this rehearsal play themselves: it ends by itself"
	case b.r.StageFile != "":
		return "the bot is a process of its own here: end the rehearsal in its terminal and start another one"
	case b.r.nth == 0:
		return "this rehearsal stands alone"
	}
	return ""
}

// speedFixed is why the speed cannot be changed: the clock of a bot in a process of
// its own would go on as before.
func (b *panel) speedFixed() string {
	if b.r.StageFile == "" {
		return ""
	}
	return "the bot is a process of its own here, and both go by the speed that the stage began with: end both, and begin again with another --speed"
}

func (b *panel) act(w http.ResponseWriter, r *http.Request) {
	fault := func(status int, format string, args ...any) {
		panelJSON(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		fault(http.StatusUnsupportedMediaType, "send JSON with Content-Type application/json")
		return
	}
	var d StageDeed
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&d); err != nil {
		fault(http.StatusBadRequest, "this is not JSON with a do: %v", err)
		return
	}
	amid := d.Do == "kill" && b.amid(r.Context())
	if err := b.do(d); err != nil {
		fault(http.StatusBadRequest, "%v", err)
		return
	}
	b.mu.Lock()
	b.killed = b.killed || amid
	b.revived = b.revived || b.killed && d.Do == "start"
	b.mu.Unlock()
	panelJSON(w, http.StatusOK, b.stage())
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != "" {
		_ = http.NewResponseController(w).Flush() // the answer leaves before the address goes
		b.r.next = b.next
		b.r.finish()
	}
}

// amid says that the bot runs and an incident is under way.
func (b *panel) amid(ctx context.Context) (is bool) {
	defer b.r.clock.Busy()()
	b.mu.Lock()
	none := b.running == nil
	b.mu.Unlock()
	id, err := b.r.current(ctx)
	if none || err != nil || id == "" {
		return false
	}
	_ = incident.NewBook(b.r.record).View(ctx, id, func(s *incident.State) { is = !s.Over() }) // nor what cannot be read
	return is
}

func (b *panel) do(d StageDeed) error {
	switch d.Do {
	case "kill", "start":
		if b.r.StageFile != "" {
			return errors.New("the bot is a process of its own here: kill and start it there")
		}
		b.want(d.Do == "start")
	case "scenario":
		return b.another(d.Scenario)
	case "away", "back":
		b.r.slack.SetAway(d.Do == "away")
	case "speed":
		if why := b.speedFixed(); why != "" {
			return errors.New(why)
		}
		speed, err := sim.ParseSpeed(d.Speed)
		if err != nil {
			return err
		}
		if speed == sim.Max && !b.r.Auto {
			return fmt.Errorf("speed max is for people who play themselves: by hand, time would jump to the end of every question; use a number such as %s", ByHand)
		}
		b.r.clock.SetSpeed(speed)
	default:
		return fmt.Errorf("%q is not something that can be done here: use kill, start, away, back, speed or scenario", d.Do)
	}
	return nil
}

// want has the bot run, or killed at once: also one that is just being started.
func (b *panel) want(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted = up
	switch {
	case !up && b.running != nil:
		b.running.process.kill()
		b.running = nil
	case up:
		select {
		case b.starts <- struct{}{}:
		default: // it is starting already
		}
	}
}

// another ends this rehearsal and has that scenario begin at the same address.
func (b *panel) another(scenario string) error {
	known := sim.Scenarios()
	named := scenario
	if b.r.ownName != "" {
		known = append(known, b.r.ownName)
		if scenario == b.r.ownName {
			scenario = b.r.own
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	switch {
	case b.fixed() != "":
		return errors.New(b.fixed())
	case !slices.Contains(known, named):
		return fmt.Errorf("there is no scenario %q to begin here: use one of %s", named, strings.Join(known, ", "))
	}
	if _, err := sim.Load(scenario); err != nil {
		return fmt.Errorf("%s cannot be begun: %w", named, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = scenario
	return nil
}

// help answers what the bot itself says of its commands, for the composer.
func (b *panel) help(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	one := b.running
	b.mu.Unlock()
	if one == nil {
		panelJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "the bot is not here"})
		return
	}
	defer b.r.clock.Busy()()
	a := one.bot.Commands.Do(r.Context(), commands.Ask{
		Via: incident.Via{Face: incident.FaceSlack, ID: r.URL.Query().Get("as")}, Verb: "help",
	})
	panelJSON(w, http.StatusOK, map[string]string{"text": text.Plain{}.Render(a.Text)})
}

// begin starts a bot, with nothing but the record, Slack and the world to go by.
func (b *panel) begin(ctx context.Context) (*runningBot, error) {
	one := &runningBot{}
	var err error
	if one.ctx, one.process, err = b.r.newBotProcess(ctx); err != nil {
		return nil, err
	}
	if one.bot, err = bot.New(one.ctx, one.process.replica(), b.r.Log); err != nil {
		one.process.wait()
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = ""
	if b.wanted {
		b.running = one
	} else {
		one.process.kill() // meanwhile somebody has thought otherwise
	}
	return one, nil
}

// run runs a bot. One that is killed stays away until it is started again.
func (b *panel) run(ctx context.Context, one *runningBot) error {
	for {
		err := one.bot.Run(one.ctx)
		killed := one.process.killed() != nil
		one.process.wait()
		b.mu.Lock()
		if b.running == one {
			b.running = nil
		}
		b.mu.Unlock()
		if !killed || ctx.Err() != nil {
			return err
		}
		if one = b.restarted(ctx); one == nil {
			return nil
		}
	}
}

// restarted waits until somebody starts the bot; nil when ctx ends first. What it
// cannot start without is waited for.
func (b *panel) restarted(ctx context.Context) *runningBot {
	const pause = 2 * time.Second
	told := false
	for ctx.Err() == nil {
		b.mu.Lock()
		wanted := b.wanted
		b.mu.Unlock()
		if !wanted {
			select {
			case <-ctx.Done():
			case <-b.starts:
			}
			continue
		}
		busy := b.r.clock.Busy()
		one, err := b.begin(ctx)
		if err == nil {
			busy()
			return one
		}
		b.mu.Lock()
		b.why = err.Error()
		b.mu.Unlock()
		if !told && ctx.Err() == nil {
			told = true
			_, _ = fmt.Fprintf(b.r.Stdout, "%s  The bot does not start: %v. It tries again.\n", b.r.clock.Now().Format("15:04:05"), err)
		}
		_ = b.r.clock.Sleep(ctx, pause)
		busy()
	}
	return nil
}
