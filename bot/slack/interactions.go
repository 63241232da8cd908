package slack

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// answerWithin is how long a form may wait for what commands say before it is
// closed and the answer follows by itself. Slack gives up after three seconds, and
// the way there and back takes some of them.
const answerWithin = time.Second

// triggerLives is how long after it was heard a trigger opens a form. Slack gives it
// three seconds, and the way there and back takes some of them.
const triggerLives = 2700 * time.Millisecond

var errSlow = errors.New("the answer to a form takes long")

// place is where a person asked, so that the answer gets there.
type place struct {
	person   string
	channel  string
	thread   string
	response string    // response_url, empty if there is none
	trigger  string    // for a form, lives triggerLives
	heard    time.Time // when the trigger came
	home     bool      // in the App Home, beside which direct messages are
}

// command answers /failover.
func (b *Face) command(ctx context.Context, envelope string, c slack.SlashCommand) {
	ask := said(c.Text)
	ask.Via, ask.Request, ask.CanForm = bySlack(c.UserID), "slack/"+envelope, c.TriggerID != ""
	at := place{person: c.UserID, channel: c.ChannelID, response: c.ResponseURL, trigger: c.TriggerID, heard: b.clock.Now()}
	b.reply(ctx, at, ask, b.do(ctx, ask))
}

// mention answers "@failoverbot status".
func (b *Face) mention(ctx context.Context, id string, m *slackevents.AppMentionEvent) {
	typed := leadingMention.ReplaceAllString(strings.TrimSpace(m.Text), "")
	ask := said(plainText.Replace(typed))
	ask.Via, ask.Request = bySlack(m.User), id
	b.reply(ctx, place{person: m.User, channel: m.Channel, thread: m.ThreadTimeStamp}, ask, b.do(ctx, ask))
}

var (
	leadingMention = regexp.MustCompile(`^<@[A-Z0-9]+(\|[^>]*)?>[\s,:]*`)
	plainText      = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// said is what was typed, as an Ask.
func said(typed string) commands.Ask {
	verb, rest := commands.Parse(typed)
	return commands.Ask{Verb: verb, Text: rest}
}

// bySlack is how somebody comes who has that id here.
func bySlack(user string) incident.Via { return incident.Via{Face: incident.FaceSlack, ID: user} }

const actionPrefix = "fo."

// clickID is the same for one click however often it arrives.
func clickID(c slack.InteractionCallback) string {
	a := c.ActionCallback.BlockActions[0]
	return known(strings.Join([]string{"click", c.Container.ChannelID, c.Container.MessageTs, a.ActionTs, a.BlockID, a.ActionID, c.User.ID}, "/"))
}

// click answers a button.
func (b *Face) click(ctx context.Context, c slack.InteractionCallback) {
	a := c.ActionCallback.BlockActions[0]
	verb, ours := strings.CutPrefix(a.ActionID, actionPrefix)
	if !ours {
		return
	}
	ask := commands.Ask{Via: bySlack(c.User.ID), Verb: verb, Request: clickID(c), CanForm: c.TriggerID != ""}
	ask.Incident, ask.On = split(a.Value)
	channel := c.Channel.ID
	if channel == "" {
		channel = c.Container.ChannelID
	}
	at := place{person: c.User.ID, channel: channel, response: c.ResponseURL, trigger: c.TriggerID, heard: b.clock.Now(), home: c.View.Type == slack.VTHomeTab}
	b.reply(ctx, at, ask, b.do(ctx, ask))
	b.homes.stir(c.User.ID)
}

// split reads what a button or a form carries: the incident and what it is on.
func split(value string) (incident.ID, string) {
	id, on, _ := strings.Cut(value, "|")
	return incident.ID(id), on
}

func join(id incident.ID, on string) string { return string(id) + "|" + on }

// submit answers a form. It is acknowledged with what is wrong with the fields,
// if commands can tell soon enough; otherwise the form closes and the answer
// follows.
func (b *Face) submit(ctx context.Context, done func(), e envelope, c slack.InteractionCallback) {
	said, first := b.requests.first(e.id)
	if !first {
		b.spawn(done, func() {
			resume := b.clock.Idle()
			select {
			case <-said.done:
			case <-ctx.Done():
			}
			resume()
			if ctx.Err() == nil {
				b.acknowledge(e, said.payload)
			}
		})
		return
	}
	b.spawn(done, func() {
		ctx, cancel := parting(ctx)
		defer cancel()
		acked := false
		ack := func(payload any) {
			if !acked {
				acked = true
				said.payload = payload
				close(said.done)
				b.acknowledge(e, payload)
			}
		}
		defer ack(nil) // whatever happens
		verb, ours := strings.CutPrefix(c.View.CallbackID, actionPrefix)
		if !ours {
			return
		}
		ask := commands.Ask{Via: bySlack(c.User.ID), Verb: verb, Request: "slack/" + e.id, Values: values(c.View.State)}
		ask.Incident, ask.On = split(c.View.PrivateMetadata)
		at := b.origin(c.View.ID, c.User.ID)

		result := make(chan commands.Answer, 1)
		b.spawn(b.clock.Busy(), func() {
			defer close(result)
			result <- b.do(ctx, ask)
		})
		// By both clocks: a pretend one may stand still until this is acknowledged.
		soon, cancel := b.clock.WithTimeout(ctx, answerWithin, errSlow)
		defer cancel()
		soon, cancelReal := incident.RealClock{}.WithTimeout(soon, answerWithin, errSlow)
		defer cancelReal()
		a, ok := b.await(soon, result)
		if !ok {
			ack(slack.NewClearViewSubmissionResponse())
			if a, ok = b.await(ctx, result); !ok {
				return
			}
			a = afterwards(a)
		}
		switch {
		case acked:
		case len(a.Errors) > 0:
			ack(b.face.faults(a, ask.Values))
		case a.Form != nil:
			view := b.face.modal(a.Form)
			b.remember(c.View.ID, at)
			ack(slack.NewUpdateViewSubmissionResponse(&view))
			a.Form = nil
		default:
			ack(slack.NewClearViewSubmissionResponse())
		}
		a.Errors = nil
		b.reply(ctx, at, ask, a)
		b.homes.stir(c.User.ID)
	})
}

func (b *Face) acknowledge(e envelope, payload any) {
	if err := e.ack(payload); err != nil {
		b.log.Warn().Err(err).Msg("Slack will send this again")
	}
}

// await waits for what another goroutine finds out.
func (b *Face) await(ctx context.Context, result <-chan commands.Answer) (commands.Answer, bool) {
	resume := b.clock.Idle()
	defer resume()
	select {
	case a, ok := <-result:
		return a, ok
	case <-ctx.Done():
		return commands.Answer{}, false
	}
}

// afterwards is an answer whose form is closed already.
func afterwards(a commands.Answer) commands.Answer {
	for _, name := range slices.Sorted(maps.Keys(a.Errors)) {
		a.Text = text.Lines(a.Text, a.Errors[name])
	}
	if a.Form != nil {
		a.Text = text.Lines(a.Text, text.Format("Another form is needed, and the last one has closed. Press the button or type the command again."))
		a.Form = nil
	}
	a.Errors = nil
	return a
}

// faults keep a form open with what is wrong with it. One without a field that
// could show it shows it in place of the form.
func (f mrkdwn) faults(a commands.Answer, filled map[string]string) any {
	if on := f.onFields(a, filled); len(on) > 0 {
		return slack.NewErrorsViewSubmissionResponse(on)
	}
	notice := f.modal(&commands.Form{Title: "Nothing was done", Text: afterwards(a).Text})
	return slack.NewUpdateViewSubmissionResponse(&notice)
}

// onFields puts the errors where Slack shows them: on fields of the form. What
// belongs to no field goes to the first one.
func (f mrkdwn) onFields(a commands.Answer, filled map[string]string) map[string]string {
	names := slices.Sorted(maps.Keys(filled))
	out, rest := map[string]string{}, f.plain(a.Text)
	for _, name := range slices.Sorted(maps.Keys(a.Errors)) {
		said := f.plain(a.Errors[name])
		if _, ok := filled[name]; ok {
			out[name] = said
		} else {
			rest = strings.TrimSpace(rest + " " + said)
		}
	}
	if len(out) == 0 && len(names) > 0 {
		out[names[0]] = rest
	}
	for name, said := range out {
		out[name] = cut(said, 1000)
	}
	return out
}

// values are what a form was filled with, by field.
func values(state *slack.ViewState) map[string]string {
	out := map[string]string{}
	if state == nil {
		return out
	}
	for field, elements := range state.Values {
		for _, v := range elements {
			out[field] = v.Value
			if v.SelectedOption.Value != "" {
				out[field] = v.SelectedOption.Value
			}
		}
	}
	return out
}

// do asks commands, which never panic; if they do, the person is told.
func (b *Face) do(ctx context.Context, ask commands.Ask) (a commands.Answer) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Str("verb", ask.Verb).Msg("a command met an error in the bot itself")
			a = commands.Answer{Refused: true, Text: text.Format("The bot met an error of its own, which is in its log. See {status} for how things stand, then ask again.")}
		}
	}()
	if why := b.people.refuses(ctx, ask.Via.ID, !commands.OnlyLooks(ask.Verb)); !why.Empty() {
		b.log.Info().Str("person", short40(ask.Via.ID)).Str("verb", short40(ask.Verb)).Msg("nothing is taken from this person")
		return commands.Answer{Refused: true, Text: why}
	}
	a = b.opt.Commands.Do(ctx, ask)
	switch {
	case ask.Verb == "start":
		b.look(ctx)
	case (ask.Verb == "confirm" || ask.Verb == "deny") && !a.Refused:
		b.answered(ctx)
	case ask.Verb == "break_glass" && !a.Refused:
		// The channel reads it from the timeline, whichever surface it came by.
		a.Public = false
	}
	return a
}

// reply gives an answer to the person who asked: the form first, for its trigger
// does not live long.
func (b *Face) reply(ctx context.Context, at place, ask commands.Ask, a commands.Answer) {
	ctx = asTurn(ctx, turn{rank: rankOf(ask.Verb, a), person: at.person})
	if a.Form != nil {
		if at.trigger == "" {
			a = afterwards(a)
		} else if err := b.open(ctx, at, a.Form); err != nil {
			b.log.Warn().Err(err).Msg("a form could not be opened")
			a.Text = text.Lines(a.Text, text.Format("The form could not be opened in time. Press the button or type the command again; nothing was done."))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Errors)) {
		a.Text = text.Lines(a.Text, a.Errors[name])
	}
	if !a.Text.Empty() || len(a.Buttons) > 0 {
		b.tell(ctx, at, ask.Request, a)
	}
	if a.File != nil {
		b.hand(ctx, at, a.File)
	}
	if a.Later != nil {
		b.replyLater(ctx, at, ask, a.Later)
	}
}

// question is what somebody waits to be told: the same question is answered once, however
// often they asked it meanwhile.
type question struct {
	person, channel, verb, text, on string
	incident                        incident.ID
}

// replyLater gives what an answer could not wait for, to where the person asked last.
func (b *Face) replyLater(ctx context.Context, at place, ask commands.Ask, find func(context.Context) commands.Answer) {
	same := question{at.person, at.channel, ask.Verb, ask.Text, ask.On, ask.Incident}
	b.mu.Lock()
	_, waits := b.later[same]
	b.later[same] = at
	b.mu.Unlock()
	if waits {
		return
	}
	a := find(ctx)
	a.Later = nil
	b.mu.Lock()
	at = b.later[same]
	delete(b.later, same)
	b.mu.Unlock()
	b.reply(ctx, at, ask, a)
}

// rankOf is how soon an answer has its turn. A form, and what a decision has come to,
// are not kept waiting by notes and refusals.
func rankOf(verb string, a commands.Answer) rank {
	if a.Refused || slices.Contains([]string{"note", "remind", "help"}, verb) {
		return rankRemark
	}
	return rankAnswer
}

func (b *Face) open(ctx context.Context, at place, form *commands.Form) error {
	t := turnOf(ctx)
	t.until = at.heard.Add(triggerLives)
	return b.client.call(asTurn(ctx, t), "views.open", "", func(ctx context.Context) error {
		r, err := b.client.api.OpenViewContext(ctx, at.trigger, b.face.modal(form))
		if err == nil && r != nil {
			b.remember(r.View.ID, at)
		}
		return err
	})
}

// tell says something to one person, or to the incident's channel when it is public.
// Whoever asked elsewhere is answered there as well.
func (b *Face) tell(ctx context.Context, at place, request string, a commands.Answer) {
	m := b.answer(request, a)
	if a.Public {
		here, thread := at.channel == "" || at.channel == b.opt.Channel, at.thread
		if !here {
			thread = ""
		}
		_, err := b.client.post(ctx, b.opt.Channel, thread, m)
		switch {
		case err == nil && here:
			return
		case errors.Is(err, errCrowded):
			b.log.Debug().Str("person", short40(at.person)).Msg("an answer is not repeated in the channel: too much waits")
		case err != nil:
			b.log.Error().Err(err).Str("channel", b.opt.Channel).Msg("an answer could not be posted")
		}
	}
	if err := b.whisper(ctx, at, m); errors.Is(err, errCrowded) {
		b.swamp(ctx, at)
	} else if err != nil {
		b.log.Error().Err(err).Str("person", short40(at.person)).Msg("an answer did not reach the person")
	}
}

// answer is the message of an answer.
func (b *Face) answer(request string, a commands.Answer) message {
	m := b.face.reply(a, b.opt.Rehearsal)
	m.meta = map[string]any{"incident": "", "key": "answer/" + request, "kind": "notice"}
	return m
}

// whisper says something to one person, by the first way that takes it.
func (b *Face) whisper(ctx context.Context, at place, m message) error {
	if at.response != "" && b.respond(ctx, at, m) {
		return nil
	}
	direct := func() error {
		_, err := b.client.post(ctx, at.person, "", m)
		return err
	}
	if at.home {
		// Who looks at the App Home does not see the channel, but a mark on the
		// messages beside it.
		err := direct()
		if err == nil || errors.Is(err, errCrowded) {
			return err
		}
		b.log.Debug().Err(err).Msg("a direct message did not take the answer")
	}
	channel := at.channel
	if channel == "" {
		channel = b.opt.Channel
	}
	err := b.client.call(ctx, "chat.postEphemeral", "", func(ctx context.Context) error {
		opts := m.options()
		if at.thread != "" {
			opts = append(opts, slack.MsgOptionTS(at.thread))
		}
		_, err := b.client.api.PostEphemeralContext(ctx, channel, at.person, opts...)
		return err
	})
	if err == nil || errors.Is(err, errCrowded) {
		return err
	}
	// Whoever is not in that channel gets it as a direct message.
	if last := direct(); last != nil {
		return errors.Join(err, last)
	}
	return nil
}

// respond answers through a response_url, and says whether it took it.
func (b *Face) respond(ctx context.Context, at place, m message) bool {
	err := b.client.call(ctx, methodResponse, "", func(ctx context.Context) error {
		_, _, err := b.client.api.PostMessageContext(ctx, at.channel,
			append(m.options(), slack.MsgOptionResponseURL(at.response, slack.ResponseTypeEphemeral))...)
		return err
	})
	if err != nil {
		b.log.Debug().Err(err).Msg("the response_url did not take the answer")
	}
	return err == nil
}

// swampedEvery is how often a person is told that answers are left out.
const swampedEvery = time.Minute

// swamp tells somebody, once, that more of theirs waits than is answered.
func (b *Face) swamp(ctx context.Context, at place) {
	now := b.clock.Now()
	b.mu.Lock()
	last, told := b.swamped[at.person]
	told = told && now.Sub(last) < swampedEvery
	if !told {
		if len(b.swamped) >= remembered {
			clear(b.swamped)
		}
		b.swamped[at.person] = now
	}
	b.mu.Unlock()
	if told {
		return
	}
	b.log.Warn().Str("person", short40(at.person)).Msg("this person asks for more at once than can be answered; answers are left out")
	m := b.answer("left-out/"+at.person, commands.Answer{Text: text.Format("You ask for more at once than can be answered, so some answers are left out. What you asked for was decided all the same: {status} shows how things stand.")})
	if err := b.whisper(asTurn(ctx, turn{rank: rankRemark, person: at.person, must: true}), at, m); err != nil {
		b.log.Error().Err(err).Str("person", short40(at.person)).Msg("an answer did not reach the person")
	}
}

// hand gives a file to one person, in their direct messages: files have no
// ephemeral form.
func (b *Face) hand(ctx context.Context, at place, file *commands.File) {
	var direct *slack.Channel
	err := b.client.call(ctx, "conversations.open", "", func(ctx context.Context) (err error) {
		direct, _, _, err = b.client.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{at.person}})
		return err
	})
	if err == nil {
		err = b.client.upload(ctx, direct.ID, "", *file, prefix(b.opt.Rehearsal)+cut(escape(file.Title), 200))
	}
	if err != nil {
		b.log.Error().Err(err).Str("person", at.person).Msg("a file did not reach the person")
		at.response = ""
		b.tell(ctx, at, "file", commands.Answer{Text: text.Format("The file %s could not be sent to you (%v). Ask again.", file.Name, err)})
		return
	}
	if at.channel != direct.ID {
		b.tell(ctx, at, "file", commands.Answer{Text: text.Format("%s is in your direct messages with me.", file.Name)})
	}
}

// remember keeps where a form was opened from, for a submitted form does not say.
func (b *Face) remember(view string, at place) {
	if view == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.origins) > remembered {
		clear(b.origins)
	}
	b.origins[view] = place{channel: at.channel, home: at.home}
}

func (b *Face) origin(view, person string) place {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.origins[view]
	at.person = person
	if at.channel == "" {
		at.channel = b.opt.Channel
	}
	return at
}
