package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// dryRun is the drill that only reads.
const dryRun = "dry-run"

// drilled are what a dry run can be of, as people type it: the kind of run and its mode.
var drilled = map[string]struct {
	kind incident.RunKind
	mode string
}{
	planned: {"", planned}, unplanned: {"", unplanned},
	"failback": {incident.Failback, planned}, "servers": {incident.MoveServers, planned},
}

// DrillWords are what a dry run can be of, in the order in which they are told.
var DrillWords = []string{planned, unplanned, "failback", "servers"}

// Drilled is the kind of run that a word means, and its mode; ok is false of any other word.
func Drilled(word string) (kind incident.RunKind, mode string, ok bool) {
	d, ok := drilled[word]
	return d.kind, d.mode, ok
}

// drill says what a run would do now, in which order, how long it would take and which
// rights it lacks. It begins nothing, so it may be held while a run changes things.
func (c *Commands) drill(ctx context.Context, ask Ask, _ Person) Answer {
	w, err := c.requestedDrill(strings.TrimSpace(ask.On + " " + ask.Text))
	if err != nil {
		return *c.answerTo(err, false)
	}
	now := c.serving(ctx, 10*time.Second)
	switch {
	case w.kind == incident.MoveServers:
		now = serving{region: nonempty(c.other(w.target), c.Topology.Home)} // users of the platform stay where they are
	case w.target == "":
		w.target = c.standby(now.region)
	case w.target == now.region && w.kind == incident.Failback:
		return *refused("%s Nothing would have to go back there. What would be done to move away from there: {drill %s dry-run}.", now.says(), c.standby(now.region))
	case w.target == now.region:
		return *refused("%s What can be foreseen is a run to a Region that would take over: {drill %s dry-run}.", now.says(), c.standby(now.region))
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	w.reason = "a drill"
	facts, err := c.facts(w, now)
	if err != nil {
		return *c.answerTo(err, false)
	}
	facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
	plan, err := c.Compile(facts)
	if err != nil {
		return *refused("The runbook cannot be carried out like this, so there is nothing to foresee: %s", faults(err))
	}
	d := DryRun{Foreseen: c.Engine.Foresee(ctx, plan), By: c.name(ask.person), Ended: c.Clock.Now()}
	return Answer{
		Text: text.Lines(dryRunText(d), c.keepDrill(ctx, ask, d)),
		File: &File{
			Name:    fmt.Sprintf("drill-%s-%s.txt", d.Target, strings.ReplaceAll(d.What(), " ", "-")),
			Title:   fmt.Sprintf("DRILL, dry run of %s to %s", text.Article(d.What()), d.Target),
			Content: []byte(d.Page()),
		},
	}
}

// requestedDrill reads [REGION] dry-run [planned|unplanned|failback|servers], in any order.
func (c *Commands) requestedDrill(words string) (request, error) {
	var w request
	var what string
	dry := false
	for words != "" {
		var word string
		word, words = cut(words)
		low := text.Fold(strings.Trim(word, ","))
		region := c.region(low)
		_, of := drilled[low]
		switch {
		case region != "" && w.target != "" && region != w.target:
			return w, refuse("Both %s and %s were named. Name the one that would take over: {drill %s dry-run}.", w.target, region, w.target)
		case region != "":
			w.target = region
		case low == "home":
			w.target = c.Topology.Home
		case low == dryRun || low == "dry" || low == "dryrun" || low == "--dry-run":
			dry = true
		case low == "run" && dry:
		case of && what != "" && what != low:
			return w, refuse("It cannot be both %s and %s. Foresee them one after another: {drill %s dry-run %s}.", what, low, nonempty(w.target, c.standby("")), what)
		case of:
			what = low
		case regionLike.MatchString(low):
			return w, c.unknownRegion(word, "drill dry-run")
		default:
			known := append(slices.Clone(DrillWords), dryRun)
			if meant := text.Nearest(low, append(known, c.regions()...)); meant != "" {
				return w, refuse("%v is not understood here. Did you mean %s? For example {drill %s dry-run planned}. Nothing was done.", typed(word), meant, c.standby(""))
			}
			return w, refuse("%v is not understood here. A drill takes a Region, dry-run, and %s: {drill %s dry-run planned}. Nothing was done.", typed(word), text.List(DrillWords, "or"), c.standby(""))
		}
	}
	if !dry {
		return w, refuse("Say that it is to be a dry run: {drill %s dry-run %s}. It reads, and changes nothing. To practise with people, rehearse: failoverbot rehearse.",
			nonempty(w.target, c.standby("")), nonempty(what, planned))
	}
	w.kind, w.mode, _ = Drilled(nonempty(what, planned))
	switch {
	case w.kind == incident.Failback && w.target == "":
		w.target = c.Topology.Home
	case w.kind == incident.Failback && w.target != c.Topology.Home:
		return w, refuse("A failback leads to %s, where the platform is at home, and %s is not. Leave the Region out, or foresee another run: planned, unplanned or servers.", c.Topology.Home, w.target)
	case w.kind == incident.MoveServers && w.target == "":
		w.target = c.Topology.Home
	}
	return w, nil
}

// keepDrill puts the dry run on the platform log; what it returns says that it could not
// be, and is empty otherwise. The answer is the same.
func (c *Commands) keepDrill(ctx context.Context, ask Ask, d DryRun) text.Text {
	ctx, stop := c.bounded(ctx, 5*time.Second, "putting it on the record")
	defer stop()
	if err := c.Book.KeepDrill(ctx, d.Held(), d.Ended, ask.person, &ask.Via, ask.Request); err != nil {
		c.log.Warn().Err(err).Msg("a drill is not on the platform log")
		return text.Format("That it was held could not be put on the record: %v.", text.Error(err))
	}
	return text.Text{}
}

// dryRunShown is how many lines of each kind are told beside the file.
const dryRunShown = 8

// dryRunText is what is told beside the file: what it comes to, what would stop it, and the
// changes in their order.
func dryRunText(d DryRun) text.Text {
	head := d.head()
	lines := []text.Text{text.Format("%v, %v", text.Heading("DRILL"), text.Passage(strings.TrimPrefix(head[0], "DRILL, ")))}
	for _, says := range head[1:] {
		lines = append(lines, text.Passage(says))
	}
	say := func(all []text.Text, one string) {
		lines = append(lines, all[:min(len(all), dryRunShown)]...)
		if more := len(all) - dryRunShown; more > 0 {
			lines = append(lines, text.Format("and %s more in the file.", text.Count(more, one)))
		}
	}
	var stops, changes []text.Text
	for _, r := range d.stops() {
		stops = append(stops, text.Format("%v %v", text.ID(fmt.Sprintf("%-7s", r[0])), text.Quote(text.Shorten(r[1], 300))))
	}
	for _, s := range d.Changes() {
		changes = append(changes, text.Format("%v %v", text.ID(fmt.Sprintf("%-11s", when(s))), text.Quote(text.Shorten(doing(s), 200))))
	}
	say(stops, "thing")
	if len(changes) > 0 {
		lines = append(lines, text.Format("%v", text.Heading("Would change, in this order")))
	} else {
		lines = append(lines, text.Format("Nothing would be changed: all is so already."))
	}
	say(changes, "change")
	return text.Lines(lines...)
}
