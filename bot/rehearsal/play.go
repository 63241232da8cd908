package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/player"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
)

// play runs the bot and, with --auto, the people, and prints what happens.
func (r *rehearsal) play(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	if r.StageFile == "" {
		busy := r.clock.Busy()
		defer busy()
		one, err := r.panel.begin(ctx)
		if err != nil && !r.Auto {
			return quiet(ctx, err) // Ctrl-C, perhaps
		}
		if err != nil {
			return err
		}
		all.Go(func() error { return r.panel.run(ctx, one) })
		one.bot.Connected(ctx)
		busy()
	}
	if r.scn.Cued() {
		conductor := r.clock.Busy()
		all.Go(func() error {
			defer conductor()
			return quiet(ctx, r.runCues(ctx))
		})
	}
	follower := r.clock.Busy()
	all.Go(func() error {
		defer follower()
		return quiet(ctx, r.follow(ctx))
	})
	var played error
	if r.Auto {
		all.Go(func() error {
			defer stop()
			played = r.playPeople(ctx)
			return nil
		})
	}
	err := all.Wait()
	if !r.Auto {
		return err
	}
	return errors.Join(err, played, r.verify())
}

// runCues sees to it that what the scenario has in store for the bot and for Slack
// happens also while nobody calls the world.
func (r *rehearsal) runCues(ctx context.Context) error {
	const look = time.Second // as often as the world itself moves
	for {
		r.runDueCues()
		if err := r.clock.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

// runDueCues carries out what the scenario had in store up to now.
func (r *rehearsal) runDueCues() {
	cues, err := r.world.Cues()
	if err != nil {
		r.Log.Error().Err(err).Msg("the world does not remember what has happened")
	}
	for _, c := range cues {
		does := cmp.Or(c.Bot, c.Slack)
		_, _ = fmt.Fprintf(r.Stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), map[string]string{
			"kill": "The bot is killed.", "start": "The bot is started.", "away": "Slack goes away.", "back": "Slack is back.",
		}[does])
		if err := r.panel.do(StageDeed{Do: does}); err != nil {
			r.Log.Error().Err(err).Str("do", does).Msg("the scenario could not do that")
		}
	}
}

// quiet is nil for the error of a ctx that has ended.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// playPeople plays the people, and gives the bot the time to say its last words.
func (r *rehearsal) playPeople(ctx context.Context) error {
	defer r.clock.Busy()()
	if r.scn.Lasts > 0 {
		return r.lasts(ctx)
	}
	patience := cmp.Or(r.patience, longest)
	ctx, stop := r.clock.WithTimeout(ctx, patience, fmt.Errorf("the rehearsal was not over after %s", patience))
	defer stop()
	resume := r.clock.Idle()
	err := player.New(r.slack.URL(), r.clock, r.players(), r.print).Run(ctx)
	resume()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("play the people: %w", err)
	}
	return r.lastWords(ctx)
}

// print prints what somebody does.
func (r *rehearsal) print(line string) {
	_, _ = fmt.Fprintf(r.Stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), line)
}

// lasts lets time pass in which no incident is to be declared.
func (r *rehearsal) lasts(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, playing := errgroup.WithContext(ctx)
	busy := r.clock.Busy()
	all.Go(func() error {
		defer busy()
		resume := r.clock.Idle()
		defer resume()
		return quiet(playing, player.New(r.slack.URL(), r.clock, r.players(), r.print).Run(playing))
	})
	err := quiet(ctx, r.clock.Sleep(ctx, r.scn.Lasts))
	stop()
	resume := r.clock.Idle()
	defer resume()
	return errors.Join(err, all.Wait())
}

// players are the people of the scenario.
func (r *rehearsal) players() []player.Person {
	var people []player.Person
	for _, p := range r.scn.People {
		one := player.Person{ID: p.ID, Name: p.Name, Roles: p.Roles, Absent: p.Absent}
		for _, d := range p.Does {
			if d.On == "notice" || d.On == "proposal" { // kinds of messages
				d.On, d.Kind = player.OnMessage, d.On
			}
			one.Does = append(one.Does, player.Act{
				On: d.On, Kind: d.Kind, Step: d.Step, After: d.After, Say: d.Say, Press: d.Press, Form: d.Form, Times: d.Times,
			})
		}
		people = append(people, one)
	}
	return people
}

// lastWords waits until the review of a resolved incident is in the channel.
func (r *rehearsal) lastWords(ctx context.Context) error {
	const patience = 2 * time.Minute
	for end := r.clock.Now().Add(patience); r.clock.Now().Before(end); {
		id, err := r.current(ctx)
		if err != nil || id == "" {
			return err
		}
		places, err := r.record.Remembered(ctx, id)
		if err != nil {
			return err
		}
		if _, said := places[slack.ReviewFile]; said {
			return nil
		}
		if err := r.clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return errors.New("the review draft did not reach the channel")
}

// current is the newest incident, "" if there is none.
func (r *rehearsal) current(ctx context.Context) (incident.ID, error) {
	ids, err := r.record.Incidents(ctx, 1)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// follow prints each event of every incident as it happens.
func (r *rehearsal) follow(ctx context.Context) error {
	const look = 2 * time.Second
	name := r.replica().Roster.NameOf
	book := incident.NewBook(r.record)
	said := func(events []incident.Event) error {
		for _, e := range events {
			if line := review.Line(e, name); line != "" {
				_, _ = fmt.Fprintln(r.Stdout, line)
			}
		}
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	followed := map[incident.ID]bool{}
	all.Go(func() error {
		for {
			ids, err := r.record.Incidents(ctx, 0)
			if err != nil {
				return err
			}
			for n, id := range ids {
				if n < len(ids)-1 {
					r.differs(id, true)
				}
				if followed[id] {
					continue
				}
				followed[id] = true
				busy := r.clock.Busy()
				all.Go(func() error {
					defer busy()
					return book.Follow(ctx, r.clock, id, 0, said)
				})
			}
			if err := r.clock.Sleep(ctx, look); err != nil {
				return err
			}
		}
	})
	return all.Wait()
}
