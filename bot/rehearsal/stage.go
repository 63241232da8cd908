package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/deploy"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// stageFile is how a bot in a process of its own reaches a rehearsal.
type stageFile struct {
	Scenario string    `json:"scenario"`
	SlackAPI string    `json:"slack_api"`
	BotToken string    `json:"bot_token"`
	AppToken string    `json:"app_token"`
	Redis    string    `json:"redis"`
	World    string    `json:"world"`   // folder of the world's state
	Start    time.Time `json:"start"`   // pretend time ...
	Instant  time.Time `json:"instant"` // ... at this real time
	Speed    sim.Speed `json:"speed"`
}

// startStage builds the stage.
func (r *rehearsal) startStage(ctx context.Context) error {
	if err := r.chooseFolder(); err != nil {
		return err
	}
	if err := r.recordsFit(); err != nil {
		return err
	}
	wire, err := r.file("wire.jsonl")
	if err != nil {
		return err
	}
	messages, err := r.file("messages.jsonl")
	if err != nil {
		return err
	}
	calls, err := r.file("calls.jsonl")
	if err != nil {
		return err
	}

	instant := time.Now()
	r.clock = sim.NewClockAt(r.scn.StartTime(), instant, r.Speed)
	r.closes = append(r.closes, r.clock.Close)
	r.reach = stageFile{
		Scenario: r.Scenario, BotToken: "xoxb-" + rand.Text(), AppToken: "xapp-" + rand.Text(),
		Start: r.scn.StartTime(), Instant: instant, Speed: r.Speed, Redis: r.RedisURL,
	}
	r.keepSecret()
	if err := r.openSlack(wire, messages); err != nil {
		return err
	}
	r.reach.SlackAPI = r.slack.APIURL()
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	options := sim.Options{Calls: calls, Seed: r.Seed}
	if r.StageFile != "" {
		options.Dir = r.StageFile + ".world"
		if !sim.Kept(options.Dir) {
			return bot.Usagef("%s is there and is no folder of a rehearsal's world: move it away, or name another file with --stage", options.Dir)
		}
		if err := errors.Join(os.RemoveAll(options.Dir), os.MkdirAll(options.Dir, 0o700)); err != nil {
			return bot.UsageError{Err: fmt.Errorf("make a folder for the world: %w", err)}
		}
		r.reach.World = options.Dir
	}
	if r.world, err = sim.New(r.scn, r.clock, options); err != nil {
		return fmt.Errorf("start the pretend world: %w", err)
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	r.world.OnCall(r.called)
	r.differed = map[incident.ID][]string{}
	r.panel = newPanel(r)
	r.panel.routes(r.extra)
	if r.StageFile == "" {
		return nil
	}
	data, err := json.MarshalIndent(r.reach, "", "  ")
	if err != nil {
		return err
	}
	if there, err := os.Lstat(r.StageFile); err == nil && !there.Mode().IsRegular() {
		return bot.Usagef("%s is there and is no regular file: name another for how the bot reaches the rehearsal", r.StageFile)
	}
	// Whoever waits for the file finds all of it.
	unfinished := r.StageFile + ".new"
	err = strict.WriteFile(unfinished, data, 0o600)
	if err == nil {
		err = os.Rename(unfinished, r.StageFile)
	}
	if err != nil {
		return bot.UsageError{Err: fmt.Errorf("write how the bot reaches the rehearsal: %w", err)}
	}
	return nil
}

// keepSecret keeps what the stage is reached by out of all that is said and recorded.
func (r *rehearsal) keepSecret() {
	r.secrets.Add(r.reach.BotToken, r.reach.AppToken)
	r.secrets.AddAddress(r.reach.Redis)
}

func (r *rehearsal) openSlack(wire, messages io.Writer) (err error) {
	host, port, err := net.SplitHostPort(r.Listen)
	if err != nil {
		return bot.Usagef("--listen %q is not host:port, such as 127.0.0.1:8065", r.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return bot.Usagef("--listen %q: the port is a number from 0 to 65535; 0 chooses a free one", r.Listen)
	}
	r.warn(host)
	var people []slacksim.Person
	for _, p := range r.scn.People {
		people = append(people, slacksim.Person{ID: p.ID, Name: p.Name, Title: strings.Join(p.Roles, ", ")})
	}
	app, err := deploy.Slack()
	if err != nil {
		return err
	}
	var shortcuts []slacksim.Shortcut
	for _, s := range app.Shortcuts {
		shortcuts = append(shortcuts, slacksim.Shortcut{CallbackID: s.CallbackID, Name: s.Name})
	}
	r.extra = http.NewServeMux() // filled once there is a world
	r.slack, err = slacksim.New(slacksim.Options{
		BotName: app.Name, Command: app.Command, Scopes: app.Scopes, Events: app.Events, Shortcuts: shortcuts, Groups: groups(r.scn.People), DirectReadOnly: app.ReadOnly, HomeDisabled: !app.Home,
		Extra: r.extra, Listen: r.Listen, Clock: r.clock, Speed: func() float64 { return float64(r.clock.Speed()) }, BotToken: r.reach.BotToken, AppToken: r.reach.AppToken, People: people,
		Channels: []slacksim.Channel{{ID: channel, Name: "incident-response"}, {ID: "C0GENERAL", Name: "general"}},
		Wire:     wire, Messages: messages,
	})
	if err != nil {
		return bot.Usagef("the rehearsal Slack cannot listen on %s: %w; is a rehearsal running already? --listen 127.0.0.1:0 chooses a free port", r.Listen, err)
	}
	served := make(chan error, 1)
	go func() { served <- r.slack.Run(context.Background()) }()
	r.closes = append(r.closes, func() {
		_ = r.slack.Close()
		if err := <-served; err != nil {
			r.Log.Warn().Err(err).Msg("the rehearsal Slack ended badly")
		}
	})
	return nil
}

// groups are the workspace's user groups: one for each role that somebody has.
func groups(people []sim.Person) (out []slacksim.Group) {
	for _, role := range []string{commands.Commander, commands.Approver, commands.Responder} {
		g := slacksim.Group{ID: "S0" + strings.ToUpper(role), Handle: role + "s", Name: strings.ToUpper(role[:1]) + role[1:] + "s"}
		for _, p := range people {
			if slices.Contains(p.Roles, role) {
				g.Users = append(g.Users, p.ID)
			}
		}
		if len(g.Users) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// openRecord opens the Redis of the rehearsal: inside the process, unless a test
// brought one.
func (r *rehearsal) openRecord(ctx context.Context) error {
	options := redis.Options{URL: r.RedisURL, Clock: r.clock}
	if r.RedisURL == "" {
		mini := miniredis.NewMiniRedis()
		if err := mini.Start(); err != nil {
			return fmt.Errorf("start the Redis of the rehearsal: %w", err)
		}
		r.closes = append(r.closes, mini.Close)
		r.reach.Redis = "redis://" + mini.Addr()
		client := goredis.NewClient(&goredis.Options{Addr: mini.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
		r.closes = append(r.closes, func() { _ = client.Close() })
		options = redis.Options{Client: client, Clock: r.clock}
	}
	redis.ClientLog(r.Log)
	record, err := redis.Open(ctx, options, r.Log)
	if err != nil {
		return err
	}
	r.record = record
	r.closes = append(r.closes, func() { _ = record.Disconnect() })
	return nil
}

// rosterID is the stable id of one of the scenario's people: their name, small.
func rosterID(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

// roster is the scenario's people as the settings would hold them.
func roster(people []sim.Person) incident.Roster {
	var out incident.Roster
	for _, p := range people {
		one := incident.Person{
			ID: rosterID(p.Name), Name: p.Name, BreakGlass: slices.Contains(p.Roles, "break_glass"),
			Faces: map[string]string{incident.FaceSlack: p.ID},
		}
		for _, role := range p.Roles {
			if role == "break_glass" || role == "outsider" {
				continue
			}
			one.Roles = append(one.Roles, role)
		}
		if len(one.Roles) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// replica is the bot on this stage: the same as serve's but for its ends.
func (r *rehearsal) replica() bot.Options {
	one := bot.Options{
		Clock:  r.clock,
		Record: r.record,
		Connections: providers.Connections{
			Clock: r.clock,
			AWS:   r.world.AWS,
			Kube:  func(region string) (kubeapi.Client, error) { return r.world.Kube(region), nil },
			Dial:  r.world.Dial,
		},
		Topology:  r.world.Topology(),
		Roster:    roster(r.scn.People),
		Slack:     slack.Settings{BotToken: r.reach.BotToken, AppToken: r.reach.AppToken, APIURL: r.reach.SlackAPI},
		Channel:   channel,
		Templates: r.Templates,
		Detection: bot.Detection{Off: !r.scn.Start.Detection},
		Rehearsal: true,
		Secrets:   &r.secrets,
		Catalog:   r.catalog,
	}
	if r.change != nil {
		r.change(&one)
	}
	return one
}

// runBot is the bot in a process of its own.
func (r *rehearsal) runBot(ctx context.Context) error {
	data, err := strict.Within(ctx, func() ([]byte, error) { return strict.ReadFile(r.BotFile) })
	if err != nil {
		return bot.UsageError{Err: fmt.Errorf("read how the rehearsal is reached: %w", err)}
	}
	if err := json.Unmarshal(data, &r.reach); err != nil {
		return bot.Usagef("%s is not a file that rehearse --stage wrote: %w", r.BotFile, err)
	}
	if r.scn, err = sim.Load(r.reach.Scenario); err != nil {
		return bot.UsageError{Err: err}
	}
	r.keepSecret()
	r.clock = sim.NewClockAt(r.reach.Start, r.reach.Instant, r.reach.Speed)
	r.closes = append(r.closes, r.clock.Close)
	r.RedisURL = r.reach.Redis
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	calls, err := strict.OpenFile(filepath.Join(r.reach.World, "calls.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return bot.UsageError{Err: fmt.Errorf("open the record of calls: %w", err)}
	}
	r.files = append(r.files, calls)
	if r.world, err = sim.New(r.scn, r.clock, sim.Options{Dir: r.reach.World, Calls: calls}); err != nil {
		return bot.UsageError{Err: fmt.Errorf("find the pretend world: %w", err)}
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	busy := r.clock.Busy()
	p, err := bot.New(ctx, r.replica(), r.Log)
	busy()
	if err != nil {
		return err
	}
	return p.Run(ctx)
}
