package slack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
)

// topicEvery is the least time between two topics: Slack lets the topic be set 20
// times a minute, and each time says so in the channel.
const topicEvery = 10 * time.Second

// topicMax is Slack's limit for a topic, in characters.
const topicMax = 250

// never is how long something sleeps that is woken when there is something to do.
const never = time.Hour

// pinAndTopic are what makes an incident stand out in its channel beside its messages:
// the card is pinned, and the topic says where things stand. They are a courtesy,
// so they have a goroutine of their own, which the messages never wait for, and
// what Slack refuses is logged once and left.
//
// Nothing has to be remembered for the pin: to pin twice is the same as once. The
// topic that was there before is kept in the metadata of the card, and only once
// the card carries it another one is set; so the next process finds it again.
type pinAndTopic struct {
	b      *Face
	id     incident.ID
	log    zerolog.Logger
	wakeUp wakeUp
	// unkept is called when there is a topic to keep that the card does not carry.
	unkept func()

	mu      sync.Mutex
	want    desired
	before  *string // the topic that was there before; nil until it is known
	carried bool    // by a card that is in the channel

	// Of the goroutine alone.
	pinned   string // the card that is pinned, or cannot be
	unpinned bool
	asked    string // the topic that was last set, as it was sent
	wrote    string // and as Slack has it; empty when that is not known
	setAt    time.Time
	restored bool
	left     bool // the topic is somebody else's, or Slack says no
	fails    int
	later    time.Time // nothing is tried before
}

// desired is what the pin and topic should be.
type desired struct {
	ours  bool
	card  string // its timestamp; empty until it is posted
	head  string // how each topic of this incident begins
	topic string // empty once the incident is resolved
	last  bool   // all is said: the pin comes off
}

func newMarks(b *Face, id incident.ID, log zerolog.Logger, unkept func()) *pinAndTopic {
	return &pinAndTopic{b: b, id: id, log: log, wakeUp: wakeUp{clock: b.clock}, unkept: unkept}
}

// wish says what is wanted from now on.
func (m *pinAndTopic) wish(w desired) {
	m.mu.Lock()
	same := m.want == w
	m.want = w
	m.mu.Unlock()
	if !same {
		m.wakeUp.signal()
	}
}

// keeps is the topic that the card has to carry, and whether it has been seen to.
func (m *pinAndTopic) keeps() (topic string, known, carried bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before == nil {
		return "", false, false
	}
	return *m.before, true, m.carried
}

// found says that the card carries a topic: of an earlier process, or a new one.
func (m *pinAndTopic) found(topic string) {
	m.mu.Lock()
	m.before, m.carried = &topic, true
	m.mu.Unlock()
	m.tell(topic)
	m.wakeUp.signal()
}

// forget is for a replica that begins, perhaps anew: what it knew may be old.
func (m *pinAndTopic) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before, m.carried = nil, false
}

func (m *pinAndTopic) keep(topic string) {
	m.mu.Lock()
	m.before = &topic
	m.mu.Unlock()
	m.tell(topic)
	m.unkept()
}

// tell lets the pin and topic of the next incident know.
func (m *pinAndTopic) tell(topic string) {
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	m.b.topics[m.id.Name()] = topic
}

// run does what is wished until all is said or ctx ends.
func (m *pinAndTopic) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, done := m.pass(ctx)
		if done {
			return
		}
		_ = m.wakeUp.sleep(ctx, wait, nil)
	}
}

func (m *pinAndTopic) pass(ctx context.Context) (wait time.Duration, done bool) {
	m.mu.Lock()
	w := m.want
	m.mu.Unlock()
	if !w.ours {
		// Another replica sets the topic meanwhile.
		m.asked, m.wrote, m.left, m.pinned = "", "", false, ""
		return never, false
	}
	if wait := m.later.Sub(m.b.clock.Now()); wait > 0 {
		return wait, false
	}
	unpinned := m.pin(ctx, w)
	wait, err := m.title(ctx, w)
	if err = errors.Join(unpinned, err); err != nil {
		m.fails++
		wait = min(slowest, time.Second<<min(m.fails-1, 5))
		m.later = m.b.clock.Now().Add(wait)
		m.log.Debug().Err(err).Dur("again_in", wait).Msg("the pin or the topic is not as it should be")
		return wait, false
	}
	m.fails = 0
	return wait, w.last && wait == never
}

func (m *pinAndTopic) pin(ctx context.Context, w desired) error {
	item := slack.NewRefToMessage(m.b.opt.Channel, w.card)
	method, send, fine := "pins.add", m.b.client.api.AddPinContext, []string{"already_pinned", "message_not_found"}
	switch {
	case w.card == "" || m.b.off(featurePin):
		return nil
	case w.last && !m.unpinned:
		method, send, fine = "pins.remove", m.b.client.api.RemovePinContext, []string{"no_pin", "not_pinned", "message_not_found"}
	case w.last || m.pinned == w.card:
		return nil
	}
	err := m.b.client.call(ctx, method, "", func(ctx context.Context) error { return send(ctx, m.b.opt.Channel, item) })
	if err != nil && !slices.Contains(fine, code(err)) {
		if passing(err) {
			return fmt.Errorf("%s %s: %w", method, w.card, err)
		}
		m.b.logOnce(featurePin, err, "the card cannot be pinned or unpinned; everything else goes on")
	}
	if w.last {
		m.unpinned = true
	} else {
		m.pinned = w.card
	}
	return nil
}

// title makes the topic what is wished. Between reading and setting it a person
// may set it too; Slack has no way to do both at once.
func (m *pinAndTopic) title(ctx context.Context, w desired) (wait time.Duration, err error) {
	switch {
	case m.left, m.b.off(featureTopic), w.topic == "" && m.restored, w.topic != "" && w.topic == m.asked:
		return never, nil
	case !m.setAt.IsZero():
		if wait := m.setAt.Add(topicEvery).Sub(m.b.clock.Now()); wait > 0 {
			return wait, nil
		}
	}
	var now slack.Topic
	err = m.b.client.call(ctx, "conversations.info", "", func(ctx context.Context) error {
		c, err := m.b.client.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: m.b.opt.Channel})
		if err == nil && c != nil {
			now = c.Topic
		}
		return err
	})
	if err != nil {
		return m.refused(fmt.Errorf("read the channel's topic: %w", err))
	}
	before, known, carried := m.keeps()
	mine := m.mine(now, w)
	switch {
	case w.topic == "" && !mine:
		m.restored = true
		return never, nil
	case w.topic == "":
		if !known {
			before, err = m.recall(ctx, w.card)
			if err != nil {
				return 0, err
			}
		}
		err = m.set(ctx, before)
		m.restored = err == nil
	case !known:
		switch former, of := m.former(now); {
		case mine:
			m.keep("") // set in an earlier process, and the card that knew more is gone
		case of:
			m.keep(former)
		default:
			m.keep(now.Value)
		}
		return never, nil
	case !carried:
		return never, nil
	case !mine && (m.asked != "" || now.Value != before):
		if _, of := m.former(now); m.asked != "" || !of {
			m.left = true
			m.log.Info().Msg("somebody set the channel's topic; it is left alone until the next incident")
			return never, nil
		}
		err = m.set(ctx, w.topic)
	default:
		err = m.set(ctx, w.topic)
	}
	if err != nil {
		return m.refused(err)
	}
	return never, nil
}

// refused tells what may be tried again from what may not.
func (m *pinAndTopic) refused(err error) (time.Duration, error) {
	if passing(err) {
		return 0, err
	}
	m.left = true
	m.b.logOnce(featureTopic, err, "the channel's topic cannot be read or set; everything else goes on")
	return never, nil
}

func (m *pinAndTopic) set(ctx context.Context, topic string) error {
	m.wrote = "" // until Slack has answered
	err := m.b.client.call(ctx, "conversations.setTopic", "", func(ctx context.Context) error {
		c, err := m.b.client.api.SetTopicOfConversationContext(ctx, m.b.opt.Channel, topic)
		if err == nil && c != nil {
			m.wrote = c.Topic.Value
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set the channel's topic: %w", err)
	}
	m.asked, m.setAt = topic, m.b.clock.Now()
	return nil
}

// mine says that this incident set the topic, in this process or in an earlier one.
// Slack says who set it; where it does not, the topic has to be the very one that
// was set, or at least look like it.
func (m *pinAndTopic) mine(t slack.Topic, w desired) bool {
	switch {
	case m.wrote != "" && t.Value == m.wrote:
		return true
	case t.Creator != "" && t.Creator != m.b.client.User, t.Creator == "" && m.wrote != "":
		return false
	}
	return strings.HasPrefix(t.Value, w.head)
}

// ofAnIncident is how a topic of ours begins, whatever the incident.
var ofAnIncident = regexp.MustCompile(`^(?:REHEARSAL · )?(INC-\d+-\d+) · `)

// former says whether the topic is that of an incident before this one, which is
// about to be taken away, and what was there before that.
func (m *pinAndTopic) former(t slack.Topic) (before string, of bool) {
	found := ofAnIncident.FindStringSubmatch(t.Value)
	if found == nil || t.Creator != "" && t.Creator != m.b.client.User {
		return "", false
	}
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	return m.b.topics[found[1]], true
}

// recall reads what the card of an earlier process carries.
func (m *pinAndTopic) recall(ctx context.Context, card string) (topic string, err error) {
	if card == "" {
		return "", nil
	}
	err = m.b.client.call(ctx, "conversations.history", "", func(ctx context.Context) error {
		r, err := m.b.client.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: m.b.opt.Channel, Oldest: card, Latest: card, Inclusive: true, Limit: 1, IncludeAllMetadata: true,
		})
		if err != nil {
			return err
		}
		for _, msg := range r.Messages {
			if msg.Timestamp == card {
				topic, _ = msg.Metadata.EventPayload[metaTopic].(string)
			}
		}
		return nil
	})
	if err != nil && passing(err) {
		return "", fmt.Errorf("read the topic that the card keeps: %w", err)
	}
	return topic, nil
}

// metaTopic is where the card's metadata has the topic that was there before.
const metaTopic = "topic_before"

// topicHead is how each topic of an incident begins.
func (v incidentView) topicHead() string { return prefix(v.practice) + bald(v.ID.Name()) + " · " }

// topic says where things stand, in one line that changes with the phase, the
// section and who is waited for, and not with each step. Empty once resolved.
func (v incidentView) topic() string {
	if !v.ResolvedAt.IsZero() {
		return ""
	}
	d := v.Declared
	way := cut(bald(d.Severity), 20) + " · " + cut(bald(v.Source), 40) + " → " + cut(bald(v.Target), 40)
	var parts []string
	switch phase := v.Phase(); phase {
	case "mitigated":
		parts = append(parts, "waiting for "+v.name(d.Commander)+" to resolve", "served by "+cut(bald(v.Target), 40))
		if len(v.GoneBack()) > 0 {
			parts = []string{"users go back to " + cut(bald(v.Source), 40), "waiting for " + v.name(d.Commander)}
		}
	case "taken back":
		parts = append(parts, "taken back", "waiting for "+v.name(d.Commander))
	case "aborted":
		parts = append(parts, "aborted", "waiting for "+v.name(d.Commander))
	default:
		if phase == "paused" || phase == "halted" {
			parts = append(parts, phase)
		}
		parts = append(parts, cut(bald(v.section()), 60))
		var names []string
		for _, q := range v.OpenQuestions() {
			for _, p := range v.Answerers(q) {
				if name := v.name(p.ID); !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		if !v.SourceLost().IsZero() {
			parts = slices.Insert(parts, 0, cut(bald(v.Source), 40)+" does not answer")
		}
		if len(names) > 0 { // first: a narrow window shows no more
			parts = slices.Insert(parts, 0, "waiting for "+cut(either(names), 80))
		}
	}
	parts = append(parts, way)
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return cut(v.topicHead()+strings.Join(parts, " · "), topicMax)
}

// section is the furthest one that something runs in or is asked about, else the
// one that is next.
func (v incidentView) section() string {
	busy, next := "", ""
	for _, l := range v.sections() {
		switch {
		case l.Busy, l.Asked:
			busy = l.Title
		case !l.Finished && next == "":
			next = l.Title
		}
	}
	if busy != "" {
		return busy
	}
	return next
}

// bald is text for where nothing is formatted, without what Slack would escape.
func bald(s string) string { return unformatted.Replace(oneLine(s)) }

var unformatted = strings.NewReplacer("&amp;", "+", "&lt;", "", "&gt;", "", "&", "+", "<", "", ">", "")

// name is what people call somebody, where a mention would not be shown as one.
func (v incidentView) name(id string) string {
	if p, ok := v.Roster.ByID(id); ok && p.Name != "" {
		return cut(bald(p.Name), 40)
	}
	return cut(bald(id), 40)
}
