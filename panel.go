package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// beside is what the page of a rehearsal shows beside the channel, and what can
// be done there to the stage: the bot killed and started, Slack taken away, the
// speed changed.
//
//	GET, POST /beside/world          the world; see sim.World.Panel
//	GET, POST /beside/stage          a Stage; a StageDeed
//	GET       /beside/help?as=U1     what that person may say to the bot
//	GET       /beside/practice       a Practice
type beside struct {
	r      *rehearsal
	starts chan struct{}
	others []Story

	mu   sync.Mutex
	bot  *parts
	kill context.CancelFunc
	why  string // it could not be started

	killed bool // somebody tried that
	broke  atomic.Bool
}

// Stage is how the rehearsal itself stands.
type Stage struct {
	Speed string `json:"speed"`
	// Bot is up, down, or elsewhere: in a process of its own.
	Bot    string `json:"bot"`
	Why    string `json:"why,omitempty"`
	Away   bool   `json:"away"` // Slack is
	Target string `json:"target"`
}

// StageDeed changes it: kill, start, away, back or speed.
type StageDeed struct {
	Do    string `json:"do"`
	Speed string `json:"speed,omitempty"`
}

func newBeside(r *rehearsal) *beside {
	return &beside{r: r, starts: make(chan struct{}, 1), others: r.stories()}
}

func (b *beside) routes(mux *http.ServeMux) {
	world := b.r.world.Panel()
	mux.HandleFunc("/beside/world", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			b.broke.Store(true)
		}
		world.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /beside/practice", b.practice)
	mux.HandleFunc("GET /beside/stage", func(w http.ResponseWriter, _ *http.Request) { besideJSON(w, http.StatusOK, b.stage()) })
	mux.HandleFunc("POST /beside/stage", b.act)
	mux.HandleFunc("GET /beside/help", b.help)
}

func besideJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader hung up
}

func (b *beside) stage() Stage {
	s := Stage{Speed: b.r.clock.Speed().String(), Bot: "down", Away: b.r.slack.Away(), Target: b.r.scn.Target}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Why = b.why
	switch {
	case b.r.stage != "":
		s.Bot = "elsewhere"
	case b.bot != nil:
		s.Bot = "up"
	}
	return s
}

func (b *beside) act(w http.ResponseWriter, r *http.Request) {
	fault := func(status int, format string, args ...any) {
		besideJSON(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
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
	if err := b.do(d); err != nil {
		fault(http.StatusBadRequest, "%v", err)
		return
	}
	besideJSON(w, http.StatusOK, b.stage())
}

func (b *beside) do(d StageDeed) error {
	switch d.Do {
	case "kill", "start":
		if b.r.stage != "" {
			return errors.New("the bot is a process of its own here: kill and start it there")
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if d.Do == "kill" && b.kill != nil {
			b.kill()
			b.killed = true
		}
		if d.Do == "start" && b.bot == nil {
			select {
			case b.starts <- struct{}{}:
			default: // it is starting already
			}
		}
	case "away", "back":
		b.r.slack.SetAway(d.Do == "away")
	case "speed":
		speed, err := sim.ParseSpeed(d.Speed)
		if err != nil {
			return err
		}
		if speed == sim.Max && !b.r.auto {
			return fmt.Errorf("speed max is for people who play themselves: by hand, time would jump to the end of every question; use a number such as %s", byHand)
		}
		b.r.clock.SetSpeed(speed)
	default:
		return fmt.Errorf("%q is not something that can be done here: use kill, start, away, back or speed", d.Do)
	}
	return nil
}

// help answers what the bot itself says of its commands, for the composer.
func (b *beside) help(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	p := b.bot
	b.mu.Unlock()
	if p == nil {
		besideJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "the bot is not here"})
		return
	}
	defer b.r.clock.Busy()()
	a := p.answers.Do(r.Context(), commands.Ask{Person: r.URL.Query().Get("as"), Verb: "help"})
	besideJSON(w, http.StatusOK, map[string]string{"text": a.Text})
}

func (b *beside) holds(p *parts, kill context.CancelFunc, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bot, b.kill, b.why = p, kill, why
}

// live runs a bot. One that is killed stays away until it is started again, as
// one with nothing but the record, Slack and the world to go by.
func (b *beside) live(ctx context.Context, p *parts) error {
	for {
		life, kill := context.WithCancel(ctx)
		b.holds(p, kill, "")
		err := p.run(life)
		killed := life.Err() != nil
		kill()
		b.holds(nil, nil, "")
		if !killed || ctx.Err() != nil {
			return err
		}
		if p = b.again(ctx); p == nil {
			return nil
		}
	}
}

// again waits until somebody starts the bot; nil when ctx ends first.
func (b *beside) again(ctx context.Context) *parts {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.starts:
		}
		busy := b.r.clock.Busy()
		p, err := b.r.replica().assemble(ctx, b.r.log)
		busy()
		if err == nil {
			return p
		}
		b.holds(nil, nil, err.Error())
	}
}
