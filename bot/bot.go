// Package bot puts one replica of the bot together: the record, the engine with its
// catalogue of actions, the commands and the faces by which people come. serve and a
// rehearsal make the same replica and differ only in what it is connected to.
package bot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
)

// UsageError is a mistake in what was typed or set. Nothing was done.
type UsageError struct{ Err error }

// Error is the text of the mistake.
func (u UsageError) Error() string { return u.Err.Error() }

// Unwrap is the mistake.
func (u UsageError) Unwrap() error { return u.Err }

// Usagef is a UsageError with that text.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Options are what a replica is made of.
type Options struct {
	Clock       incident.Clock
	Record      incident.Log
	Connections providers.Connections
	Topology    runbook.Topology
	Roster      incident.Roster
	Slack       slack.Settings
	// Channel is the id of the channel in which incidents are followed.
	Channel string
	// OnCallGroup is the id of the group that the first post of an incident mentions;
	// empty: none. Support is the id of whoever of support is told of it: a person, a
	// group or a channel; empty: nobody.
	OnCallGroup, Support string
	// Command is what the workspace calls the slash command; /failover when empty.
	Command string
	// Templates are the runbook, the messages and the review.
	Templates fs.FS
	// UpdateEvery is the time between two status updates; the default when zero.
	UpdateEvery time.Duration
	// CheckEvery is the time between two assessments of the readiness that are made by
	// themselves; none is when zero.
	CheckEvery time.Duration
	// Detection is whether a failover is proposed by itself.
	Detection Detection
	// Rehearsal marks everything that is said as practice.
	Rehearsal bool
	// Secrets are kept out of all that is said and recorded; nil knows their shapes
	// alone.
	Secrets *text.Secrets
	// Catalog, when set, changes the actions: tests break single ones.
	Catalog func(engine.Catalog) engine.Catalog
}

// Bot is one replica. New makes it, Run runs it.
type Bot struct {
	Options
	Book     *incident.Book
	Engine   *engine.Engine
	Commands *commands.Commands

	// face and client are nil until Slack has been reached; slack is what the face is
	// made from then.
	face   *slack.Face
	client *slack.Client
	slack  slack.Options
	// reached is client for those who ask at any time.
	reached atomic.Pointer[slack.Client]
	// talks is face for the same.
	talks atomic.Pointer[slack.Face]
	ready *incident.Proofs
	log   zerolog.Logger

	sourceAnswers func(ctx context.Context, p detect.Pair) bool
	// cutOff is why this replica cannot see the platform; empty or nil: it can.
	cutOff atomic.Pointer[string]
}

// New makes the parts and tries both Slack tokens. A run that is under way must not
// wait for Slack, so a Slack that cannot be reached is tried again by Run; tokens that
// it refuses, and a runbook at fault, are a UsageError.
func New(ctx context.Context, o Options, log zerolog.Logger) (*Bot, error) {
	source, err := Runbook(o.Templates)
	if err != nil {
		return nil, err
	}
	book := incident.NewBook(incident.Hiding(o.Record, o.Secrets.Hide))
	o.Connections.Record, o.Connections.Roster, o.Connections.Support = book, o.Roster, o.Support != ""
	o.Connections.InForce = o.Topology
	catalog := providers.Catalog(o.Connections)
	if o.Catalog != nil {
		catalog = o.Catalog(catalog)
	}
	b := &Bot{Options: o, Book: book, log: log}
	outages := slack.NewOutages()
	b.Engine = engine.New(engine.Options{
		Book: b.Book, Catalog: catalog, Clock: o.Clock, Holder: holder(), Gone: gone, Away: outages.Set, Reviews: providers.Reviews(o.Connections),
	}, log)
	compile := func(f runbook.Facts) (*runbook.Plan, error) { return source.Compile(catalog.Runbook(), f) }
	b.ready = b.proofs(catalog.Runbook(), compile)
	b.sourceAnswers = o.sourceAnswers(catalog)
	b.Commands = commands.New(commands.Options{
		Book:      b.Book,
		Engine:    b.Engine,
		Clock:     o.Clock,
		Roster:    o.Roster,
		Topology:  o.Topology,
		Compile:   compile,
		Proofs:    b.ready,
		Active:    o.active(catalog),
		Serves:    o.serves(catalog),
		Signs:     o.signs(catalog),
		Supports:  b.supports(),
		Rehearsal: o.Rehearsal,
		Review:    b.review,
		Evidence:  o.evidence,
	}, log)
	b.slack = slack.Options{
		Channel:     o.Channel,
		Commands:    b.Commands,
		Book:        b.Book,
		Clock:       o.Clock,
		Roster:      o.Roster,
		OnCallGroup: o.OnCallGroup,
		Support:     o.Support,
		Rehearsal:   o.Rehearsal,
		Holds:       b.Engine.Holds,
		Outages:     outages,
		Review:      b.review,
		Command:     o.Command,
		UpdateEvery: o.UpdateEvery,
		Templates:   o.Templates,
	}
	switch err := b.dial(ctx); {
	case err == nil:
	case ctx.Err() != nil, !errors.As(err, new(unreached)):
		return nil, UsageError{err}
	default:
		log.Warn().Err(err).Msg("Slack cannot be reached; a run that is under way goes on without it")
	}
	return b, nil
}

// Runbook is the runbook among the templates. One at fault is a UsageError.
func Runbook(files fs.FS) (*runbook.Source, error) {
	source, err := runbook.Load(files, "runbook/failover.yaml")
	if err != nil {
		return nil, UsageError{err}
	}
	return source, nil
}

// supports says who is of support; nil where the settings name nobody.
func (b *Bot) supports() func(ctx context.Context, via incident.Via) (bool, error) {
	if b.Support == "" {
		return nil
	}
	return func(ctx context.Context, via incident.Via) (bool, error) {
		c := b.reached.Load()
		switch {
		case via.Face != incident.FaceSlack:
			return false, nil
		case c == nil:
			return false, errors.New("Slack has not been reached yet")
		}
		return c.Includes(ctx, b.Support, via.ID)
	}
}

// Workspace is the Slack workspace that was reached; empty before that.
func (b *Bot) Workspace() string {
	if c := b.reached.Load(); c != nil {
		return c.Team
	}
	return ""
}

// unreached is the error of a Slack that did not answer, as opposed to one that
// refused.
type unreached struct{ error }

// dial makes the face, if Slack can be reached.
func (b *Bot) dial(ctx context.Context) error {
	to := b.Slack
	to.Secrets = b.Secrets
	client, err := slack.Dial(ctx, to, b.Clock, b.log)
	switch {
	case err != nil && slack.Refused(err):
		return err
	case err != nil:
		return unreached{err}
	}
	o := b.slack
	o.Client = client
	if b.face, err = slack.New(o, b.log); err != nil {
		client.Close()
		return err
	}
	b.client = client
	b.reached.Store(client)
	b.talks.Store(b.face)
	return nil
}

// runSlack runs the face, and tries again to reach Slack until there is one.
func (b *Bot) runSlack(ctx context.Context) error {
	const retryEvery = 10 * time.Second
	for b.face == nil {
		busy := b.Clock.Busy()
		err := b.Clock.Sleep(ctx, retryEvery)
		busy()
		if err != nil {
			return err
		}
		switch err := b.dial(ctx); {
		case err == nil:
			b.log.Info().Str("workspace", b.client.Team).Msg("Slack is reached")
		case errors.As(err, new(unreached)):
			b.log.Warn().Err(err).Msg("Slack cannot be reached; trying again")
		default:
			return UsageError{err}
		}
	}
	defer b.client.Close()
	return b.face.Run(ctx)
}

// Run runs the replica until ctx ends, which is no error, or a part of it cannot go
// on.
func (b *Bot) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return b.Engine.Run(ctx) })
	all.Go(func() error { return b.runSlack(ctx) })
	if b.CheckEvery > 0 {
		all.Go(func() error { return b.scheduled().run(ctx) })
	}
	if !b.Detection.Off {
		all.Go(func() error { return b.watching().run(ctx) })
	}
	err := all.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Connected waits a moment, in real time, for Slack to reach the bot. At top speed
// the caller holds the pretend clock meanwhile, for connecting should take no
// pretend time; if it does need some, the bot goes on connecting after this.
func (b *Bot) Connected(ctx context.Context) {
	const look, looks = 2 * time.Millisecond, 150
	for range looks {
		if b.face != nil && b.face.Connections() > 0 || (incident.RealClock{}).Sleep(ctx, look) != nil {
			return
		}
	}
}

func (b *Bot) review(ctx context.Context, id incident.ID) (commands.File, error) {
	events, err := b.Record.Read(ctx, id, 0, 0)
	if err != nil {
		return commands.File{}, fmt.Errorf("read the timeline for the review: %w", err)
	}
	draft, stats, err := b.Draft(events)
	if err != nil {
		return commands.File{}, err
	}
	return commands.File{
		Name:    strings.ToLower(id.Name()) + "-review.md",
		Title:   fmt.Sprintf("Review draft of %s: %s", id.Name(), stats),
		Content: draft,
	}, nil
}

// evidence is the report for auditors as a page.
func (o Options) evidence(r *evidence.Report) (commands.File, error) {
	template, err := strict.ReadFS(o.Templates, "evidence/evidence.html.tmpl")
	if err != nil {
		return commands.File{}, fmt.Errorf("read the template of the evidence: %w", err)
	}
	page, err := r.HTML(string(template))
	if err != nil {
		return commands.File{}, err
	}
	return commands.File{Name: "failback-evidence.html", Title: "Failback evidence", Content: page}, nil
}

// Draft is the review of a timeline, with what was measured.
func (o Options) Draft(events []incident.Event) ([]byte, review.Stats, error) {
	text, err := strict.ReadFS(o.Templates, "review/review.md.tmpl")
	if err != nil {
		return nil, review.Stats{}, fmt.Errorf("read the review's template: %w", err)
	}
	return review.Write(events, review.Options{Template: string(text), Name: o.Roster.NameOf})
}
