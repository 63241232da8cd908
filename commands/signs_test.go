package commands

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// signs lets each part of the platform say which Region serves; empty: the takeover object is
// nowhere. What cannot be read is an error.
func (r *room) signs(database, cache, dns, takeover string) {
	r.Active = func(context.Context) (string, string, error) { return database, "asked", nil }
	r.Signs = func(_ context.Context, region string) []Sign {
		one := func(s Sign, at string) Sign {
			switch at {
			case unreadable:
				s.Err = errors.New("no answer within 2s")
			case region:
				s.Yes, s.Says = true, strings.ToLower(s.What)+" is in "+region
			default:
				s.Says = strings.ToLower(s.What) + " is not in " + region
			}
			return s
		}
		return []Sign{
			one(Sign{What: "Database", Serves: true}, database), one(Sign{What: "Cache"}, cache),
			one(Sign{What: "DNS", Serves: true, ByItself: true}, dns), one(Sign{What: "Takeover object", Silent: true}, takeover),
		}
	}
}

const unreadable = "unreadable"

// Which way is which is worked out from four signs. Where one of them tells otherwise a start is
// refused with what each says, in either direction; whoever knows better says so.
func TestAStartIsRefusedWhereOneSignTellsOtherwise(t *testing.T) {
	for _, way := range [][2]string{{"us-east-1", "us-west-2"}, {"us-west-2", "us-east-1"}} {
		from, to := way[0], way[1]
		for name, c := range map[string]struct {
			signs [4]string
			// goesOn: an unplanned start does all the same.
			goesOn bool
		}{
			"the database":                       {[4]string{to, from, from, ""}, false},
			"the cache":                          {[4]string{from, to, from, ""}, false},
			"DNS":                                {[4]string{from, from, to, ""}, true}, // it moves by itself where a Region is lost
			"the takeover object":                {[4]string{from, from, from, to}, false},
			"the cache alone lags behind":        {[4]string{to, from, to, ""}, false},
			"the cache, and another is not read": {[4]string{unreadable, to, from, ""}, false},
			"the object, and all else but DNS":   {[4]string{from, from, to, to}, false},
			"the database, and DNS is not read":  {[4]string{to, from, unreadable, ""}, false},
		} {
			t.Run(name+" says "+to, func(t *testing.T) {
				for _, mode := range []string{planned, unplanned} {
					r := newRoom(t)
					r.signs(c.signs[0], c.signs[1], c.signs[2], c.signs[3])
					if c.goesOn && mode == unplanned {
						contains(t, r.say(alice, "start "+to+" unplanned x").Text, from+" -> "+to)
						continue
					}
					says := []string{"It is not clear which Region serves, so nothing was begun", "Database: ", "Cache: cache is ", "DNS: ", "Takeover object: takeover object is ", "'/failover start " + to + " " + mode + " anyway REASON'"}
					r.refusedWith(func() Answer { return r.say(alice, "start "+to+" "+mode+" x") }, says...)
					r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "start", Text: to + " " + mode, CanForm: true}) }, says...)
					if c.signs[0] == to && c.signs[2] == to {
						continue // it is active already, whatever is said
					}
					contains(t, r.say(alice, "start "+to+" "+mode+" anyway x").Text, "is open: "+from+" -> "+to)
					if n, ok := r.events()[2].Body.(incident.NoteAdded); !ok || !strings.Contains(n.Text, "Started anyway, although it is not clear which Region serves: Database: ") {
						t.Errorf("%+v", r.events()[2])
					}
				}
			})
		}
	}
}

// A failback moves a platform of which all is in one Region.
func TestAFailbackIsRefusedWhereOneSignTellsOtherwise(t *testing.T) {
	const home, away = "us-east-1", "us-west-2"
	for name, signs := range map[string][4]string{
		"the database": {home, away, away, ""}, "the cache": {away, home, away, ""}, "DNS": {away, away, home, ""}, "the takeover object": {away, away, away, home},
	} {
		r := newRoom(t)
		r.signs(signs[0], signs[1], signs[2], signs[3])
		a := r.refusedWith(func() Answer { return r.say(alice, "failback us-east-1 it is well") }, "It is not clear which Region serves", "Database: ", "Cache: ", "DNS: ", "Takeover object: ", "all is in one Region")
		if strings.Contains(shown(a.Text), "anyway") {
			t.Errorf("%s: %s", name, a.Text)
		}
	}
	r := newRoom(t)
	r.signs(away, away, away, away) // its own object is as it should be
	contains(t, r.say(alice, "failback us-east-1 it is well").Text, "us-west-2 -> us-east-1")
}

// What the signs agree on is as before: who serves already is refused, who does not may take over.
func TestSignsThatAgreeSayWhoServes(t *testing.T) {
	r := newRoom(t)
	r.signs("us-west-2", "us-west-2", "us-west-2", "us-west-2")
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") }, "us-west-2 is the active Region already")
	contains(t, r.say(alice, "start us-east-1 unplanned x").Text, "us-west-2 -> us-east-1")
	// What cannot be read says nothing, and is said.
	r = newRoom(t)
	r.signs(unreadable, unreadable, unreadable, unreadable)
	contains(t, r.say(alice, "start us-west-2 unplanned x").Text, "could not be found out: no answer within 2s")
}

// A run that stopped half way is the reason for which the signs disagree: the next one towards the
// same Region goes on from there, and one the other way is refused.
func TestARunThatStoppedHalfWayIsGoneOnWith(t *testing.T) {
	r := gone(t)
	r.clock.turn(20 * time.Minute)
	r.say(alice, "abort leave the cache is refused")
	r.say(alice, "resolve")
	r.signs("us-west-2", "us-east-1", "us-east-1", "")
	r.refusedWith(func() Answer { return r.say(alice, "start us-east-1 planned back") }, "It is not clear which Region serves")
	contains(t, r.say(alice, "start us-west-2 planned on").Text, "us-east-1 -> us-west-2")
}

// Where it was proposed because Route 53 has moved users by itself, that is no disagreement.
func TestUsersWhoWereMovedByRoute53AreFollowed(t *testing.T) {
	for _, moved := range []bool{true, false} {
		r := newRoom(t)
		r.signs("us-east-1", "us-east-1", "us-west-2", "")
		_, err := r.Book.Decide(t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: r.clock.Now(), Actor: incident.Bot, Body: incident.FailoverProposed{
				Proposal: "p-1", Source: "us-east-1", Target: "us-west-2", Mode: planned, Moved: moved,
			}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := "It is not clear which Region serves"
		if moved {
			want = "is open: us-east-1 -> us-west-2"
		}
		contains(t, r.say(alice, "start us-west-2 planned users are there").Text, want)
	}
}

func playSigns(_ *testing.T, tr *transcript) {
	r := tr.in("the cache was moved by hand", newRoom(tr.t))
	r.signs("us-east-1", "us-west-2", "us-east-1", "")
	tr.says(alice, "start us-west-2 planned works")
	r.signs("us-east-1", "us-west-2", unreadable, "")
	tr.says(alice, "start us-west-2 unplanned us-east-1 is gone")
	tr.says(alice, "failback us-east-1 it is well")
	tr.says(alice, "start us-west-2 unplanned anyway us-east-1 is gone")

	const home, away = "us-east-1", "us-west-2"
	r = tr.in("the Region that took over was lost, and users fled home", newRoom(tr.t))
	r.signs(away, away, away, "")
	r.say(alice, "start us-east-1 unplanned us-west-2 is gone")
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	r.say(alice, "go")
	r.bot(incident.IncidentMitigated{Summary: "Users are served from us-east-1."})
	r.say(alice, "resolve")
	r.signs(home, home, home, "")
	tr.presses(alice, "failback", home)
}
