package commands

import (
	"context"
	"regexp"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// objectName is a name of an object of Kubernetes: of a backup, or of a schedule.
var objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// scheduled is how Velero names the backups of a schedule: by the moment at which each began.
var scheduled = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]*-[0-9]{14}$`)

// restore begins a run that has a Velero backup of the other Region restored. It moves
// nobody, so it asks no Region which one serves.
func (c *Commands) restore(ctx context.Context, ask Ask, who Person) Answer {
	w, err := c.requestedRestore(ask)
	if err != nil {
		return *c.answerTo(err, false)
	}
	return c.beginApart(ctx, ask, who, w, func(source string) Answer {
		if !ask.CanForm {
			return *refused("What is missing: the reason. Say it in one line: {restore %s order-service was never deployed there}.", w.target)
		}
		return Answer{Form: &Form{
			Verb: "restore", On: w.restoreWords(), Title: "Restore a backup", Submit: "Start",
			Text:   text.Format("%v Users stay where they are, and what exists there is skipped. Nothing changes before somebody presses Go.", text.Heading("A backup of %s is restored in %s.", source, w.target)),
			Fields: []Field{{Name: "reason", Label: "Reason", Hint: everybodyReads, Lines: true}},
		}}
	})
}

// beginApart begins a run that moves no users of the platform, so it asks no Region which one
// serves. without answers a wish that names no reason; source is the other Region.
func (c *Commands) beginApart(ctx context.Context, ask Ask, who Person, w request, without func(source string) Answer) Answer {
	if a := c.nothingOpen(ctx); a != nil {
		return *a
	}
	source := c.other(w.target)
	if source == "" {
		source = c.Topology.Home
	}
	switch {
	case w.reason == "" && ask.Values != nil:
		return Answer{Refused: true, Errors: map[string]text.Text{"reason": text.Format("This is needed.")}}
	case len([]rune(w.reason)) > reasonMax && ask.Values != nil:
		return Answer{Refused: true, Errors: map[string]text.Text{"reason": text.Format("At most %d letters; put the rest in a note.", reasonMax)}}
	case w.reason == "":
		return without(source)
	}
	return c.declare(ctx, ask, who, w, serving{region: source})
}

// restoreWords is the wish as it could have been typed.
func (w request) restoreWords() string {
	words := w.target
	if w.backup != "" {
		words += " from " + w.backup
	}
	return words
}

// requestedRestore reads [REGION] [from BACKUP|SCHEDULE] REASON. Without a Region one is
// meant where the platform is not at home. A backup whose name ends with the moment at which
// it began needs no "from".
func (c *Commands) requestedRestore(ask Ask) (request, error) {
	w := request{kind: incident.RestoreBackup, mode: planned}
	words := strings.TrimSpace(ask.On + " " + ask.Text)
	word, rest := cut(words)
	switch region := c.region(word); {
	case region != "":
		w.target, words = region, rest
	case regionLike.MatchString(text.Fold(word)):
		return w, c.unknownRegion(word, "restore")
	default:
		w.target = c.standby("")
	}
	word, rest = cut(words)
	if text.Fold(word) == "from" {
		word, rest = cut(rest)
		if !objectName.MatchString(word) {
			return w, refuse("%v cannot be the name of a backup or of a schedule. Nothing was begun.", typed(word))
		}
		w.backup, words = word, rest
	} else if scheduled.MatchString(word) {
		w.backup, words = word, rest
	}
	w.reason = strings.TrimSpace(words)
	if ask.Values != nil {
		w.reason = strings.TrimSpace(ask.Values["reason"])
		return w, nil
	}
	return w, c.shortReason(w)
}
