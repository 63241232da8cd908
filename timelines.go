package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/redis"
)

// openRecord opens the record that a settings file and REDIS_URL name, to be read. name turns
// an actor's id into the name of the roster. closed has to be called.
func openRecord(ctx context.Context, file string, env func(string) string, secrets *text.Secrets) (record incident.Log, name func(string) string, closed func(), err error) {
	c, err := settingsOf(ctx, file, env, "REDIS_URL")
	if err != nil {
		return nil, nil, nil, err
	}
	opened, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, zerolog.Nop())
	if err != nil {
		return nil, nil, nil, bot.UsageError{Err: err}
	}
	return incident.Hiding(opened, secrets.Hide), c.Roster().NameOf, func() { _ = opened.Disconnect() }, nil // nothing is left to be lost
}

// readFolder hands on the timelines that rehearsals wrote into a folder, and into those below.
func readFolder(ctx context.Context, folder string, add func(evidence.Timeline)) error {
	found := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d.IsDir(), (!strings.HasPrefix(d.Name(), "timeline") || filepath.Ext(path) != ".jsonl") && d.Name() != platformFile:
			return nil
		}
		t, err := readTimeline(path)
		if d.Name() == platformFile {
			t.ID = incident.PlatformLog
		} else {
			found++
		}
		if err == nil {
			add(t)
		}
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bot.Usagef("there is no folder %s", folder)
	case err != nil:
		return err
	case found == 0:
		return bot.Usagef("%s holds no timeline of a rehearsal: name a folder that 'failoverbot rehearse --out' wrote", folder)
	}
	return nil
}

// platformFile is what a rehearsal calls its platform log.
const platformFile = "platform.jsonl"

// timelineMost is the most bytes of a timeline that is read from a file.
const timelineMost = 64 << 20

// readTimeline reads a timeline of one event a line. What cannot be read is said of the
// timeline, for the others are as good as they were.
func readTimeline(path string) (evidence.Timeline, error) {
	t := evidence.Timeline{ID: incident.ID(path)}
	raw, err := strict.ReadUpTo(path, timelineMost)
	if err != nil {
		return t, bot.UsageError{Err: err}
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		var e incident.Event
		if err := e.UnmarshalJSON(bytes.Clone(lines.Bytes())); err != nil {
			t.Unread = fmt.Errorf("line %d: %w", len(t.Events)+1, err)
			return t, nil
		}
		if in, ok := e.Body.(incident.IncidentDeclared); ok {
			t.ID = in.Incident
		}
		t.Events = append(t.Events, e)
	}
	return t, lines.Err()
}
