package slacksim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The people's side, all JSON:
//
//	GET  /rehearsal/state?as=U1,U2             what these people see, and a number
//	GET  /rehearsal/events?as=U1&after=N       what they saw after it; waits up to 25 s
//	     &viewer=NAME&paced=1                  and the clock waits for this reader
//	     &wait=0                               answers at once
//	POST /rehearsal/leave?viewer=NAME          this reader will not come back
//	GET  /rehearsal/trace?after=N              what went over the wire since
//	POST /rehearsal/command, say, press, shortcut, submit, close, home, presence
//	                                           a Deed; answers an Outcome

// Deed is what a person does: the body of a POST to /rehearsal/.
type Deed struct {
	As string `json:"as"`
	// Paced says that the caller is busy on the rehearsal's clock and waits for
	// the answer: where the answer takes pretend time, the clock may go on.
	Paced     bool   `json:"paced"`
	Channel   string `json:"channel"`
	ThreadTS  string `json:"thread_ts"`
	Text      string `json:"text"`
	MessageTS string `json:"message_ts"`
	ViewID    string `json:"view_id"`
	ActionID  string `json:"action_id"`
	BlockID   string `json:"block_id"`
	// CallbackID is which of the shortcuts was chosen.
	CallbackID string `json:"callback_id"`
	// Value tells equal action ids apart, or is the option that was chosen, or how
	// one wants to be shown: auto or away.
	Value     string `json:"value"`
	Confirmed bool   `json:"confirmed"`
	// Values is what stands in a form: block id -> action id -> text, or a list
	// of texts. Fields left out keep their initial value.
	Values map[string]map[string]any `json:"values"`
}

// Outcome is the answer. Reason is a sentence for the person; Error is a word
// for a program: refused, confirm, invalid, no_answer, not_delivered or away.
type Outcome struct {
	OK     bool              `json:"ok"`
	Error  string            `json:"error,omitempty"`
	Reason string            `json:"reason,omitempty"`
	Errors map[string]string `json:"errors,omitempty"`
	// Action is what the bot asked for after a form: errors, update, push, clear,
	// or empty, which closes it.
	Action  string         `json:"response_action,omitempty"`
	View    *view          `json:"view,omitempty"`
	Confirm map[string]any `json:"confirm,omitempty"`
	TS      string         `json:"ts,omitempty"`
}

func no(word, format string, args ...any) Outcome {
	return Outcome{Error: word, Reason: fmt.Sprintf(format, args...)}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", s.api(methods()))
	mux.HandleFunc("GET /link", s.link)
	mux.HandleFunc("POST /upload/{ticket}", s.upload)
	mux.HandleFunc("POST /response/{id}", s.respond)
	mux.HandleFunc("GET /files/{id}", s.own(s.download))
	mux.HandleFunc("GET /rehearsal/state", s.own(s.state))
	mux.HandleFunc("GET /rehearsal/events", s.own(s.events))
	mux.HandleFunc("POST /rehearsal/leave", s.own(s.leaveFeed))
	mux.HandleFunc("GET /rehearsal/trace", s.own(s.traced))
	for path, do := range map[string]func(*Server, Person, Deed) Outcome{
		"command": (*Server).command, "press": (*Server).press, "submit": (*Server).submit,
		"close": (*Server).dismiss, "say": (*Server).say, "home": (*Server).openHome,
		"shortcut": (*Server).shortcut, "presence": (*Server).showPresence,
	} {
		mux.HandleFunc("POST /rehearsal/"+path, s.own(s.deed(do)))
	}
	s.pageRoutes(mux)
	if s.opt.Extra != nil {
		mux.HandleFunc("/", s.own(s.opt.Extra.ServeHTTP))
	}
	return mux
}

// own refuses what a foreign web page could make a browser ask of this address: a
// host name, which its owner can make lead here, or a request from another origin.
// An IP address leads where it says, also through a port that was forwarded.
func (s *Server) own(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			at := r.Context().Value(http.LocalAddrContextKey)
			http.Error(w, fmt.Sprintf("this is the rehearsal Slack; open it by its address, http://%v/", at), http.StatusForbidden)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
			http.Error(w, "only the rehearsal's own page may do this", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

func (s *Server) deed(do func(*Server, Person, Deed) Outcome) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Not a form: a foreign page could send one.
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			writeJSON(w, http.StatusUnsupportedMediaType, no("refused", "send JSON with Content-Type application/json"))
			return
		}
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeJSON(w, http.StatusBadRequest, no("refused", "the body is larger than 1 MB or broke off"))
			return
		}
		var d Deed
		if err := json.Unmarshal(b, &d); err != nil {
			writeJSON(w, http.StatusBadRequest, no("refused", "the body is not the JSON that this takes: %v", err))
			return
		}
		p, ok := s.person(d.As)
		if !ok {
			writeJSON(w, http.StatusBadRequest, no("refused", "%q is nobody here; /rehearsal/state lists the people", d.As))
			return
		}
		if s.Away() {
			writeJSON(w, http.StatusOK, no("away", "Slack is away. Nothing was sent."))
			return
		}
		// A paced caller's own busyness covers the call. For anybody else we are
		// busy, so that deliver may call Idle either way.
		if !d.Paced {
			defer s.clock.Busy()()
		}
		writeJSON(w, http.StatusOK, do(s, p, d))
	}
}

// State is everything that one sees.
type State struct {
	Now         string               `json:"now"`
	Seq         int                  `json:"seq"` // poll for events after this one
	Team        string               `json:"team"`
	Bot         Person               `json:"bot"`
	Command     string               `json:"command"`
	ReadOnly    bool                 `json:"direct_read_only,omitempty"`
	Connections int                  `json:"connections"`
	Away        bool                 `json:"away"`
	People      []Person             `json:"people"`
	Groups      []Group              `json:"groups"`
	Shortcuts   []Shortcut           `json:"shortcuts"`
	Channels    []Channel            `json:"channels"`
	Messages    map[string][]Message `json:"messages"`
	Ephemerals  []Message            `json:"ephemerals"`
	Views       []view               `json:"views"`
	Homes       []view               `json:"homes"`
}

func asWhom(r *http.Request) []string {
	return slices.DeleteFunc(strings.Split(r.URL.Query().Get("as"), ","), func(s string) bool { return s == "" })
}

func (s *Server) state(w http.ResponseWriter, r *http.Request) {
	as := asWhom(r)
	s.mu.Lock()
	st := State{
		Now: stamp(s.clock.Now()), Seq: s.feed.last(), Team: "Rehearsal", Bot: Person{ID: BotUserID, Name: s.opt.BotName},
		Command: s.opt.Command, ReadOnly: s.opt.DirectReadOnly, Connections: len(s.conns), Away: s.Away(), People: slices.Clone(s.opt.People), Groups: append([]Group{}, s.groups...),
		Shortcuts: append([]Shortcut{}, s.opt.Shortcuts...), Channels: []Channel{},
		Messages: map[string][]Message{}, Ephemerals: []Message{}, Views: []view{}, Homes: []view{},
	}
	for i := range st.People {
		st.People[i].Away = s.absent[st.People[i].ID]
	}
	for _, ch := range s.channels {
		if ch.seenBy("") || slices.ContainsFunc(as, ch.seenBy) {
			st.Channels = append(st.Channels, ch.whole())
		}
	}
	for person, id := range s.direct {
		if slices.Contains(as, person) {
			st.Channels = append(st.Channels, Channel{ID: id, Name: s.opt.BotName, Members: []string{BotUserID, person}}.whole())
		}
	}
	for _, c := range st.Channels {
		st.Messages[c.ID] = values(s.messages[c.ID])
	}
	for _, person := range as {
		st.Ephemerals = append(st.Ephemerals, values(s.ephemeral[person])...)
		for _, v := range s.stacks[person] {
			st.Views = append(st.Views, *v)
		}
		if v := s.homes[person]; v != nil {
			st.Homes = append(st.Homes, *v)
		}
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, st)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.Atoi(q.Get("after"))
	if err != nil && q.Get("after") != "" {
		http.Error(w, "after has to be a number", http.StatusBadRequest)
		return
	}
	paced := q.Get("paced") == "1"
	if paced && q.Get("viewer") == "" {
		http.Error(w, "a paced reader needs a name: viewer=...", http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, s.feed.poll(r.Context(), q.Get("viewer"), asWhom(r), after, paced, q.Get("wait") != "0"))
}

// leaveFeed says that a paced reader will not come back.
func (s *Server) leaveFeed(w http.ResponseWriter, r *http.Request) {
	s.feed.leave(r.URL.Query().Get("viewer"))
	w.WriteHeader(http.StatusNoContent)
}

// place is the channel of a deed. Called with mu held.
func (s *Server) place(p Person, d Deed) (string, bool) {
	if d.Channel == "" {
		return s.channels[0].ID, true
	}
	id, ok := s.channelID(d.Channel)
	ch, _ := s.channel(id)
	if !ok || s.directPerson(id) != "" && s.directPerson(id) != p.ID || !ch.seenBy(p.ID) {
		return "", false
	}
	return id, true
}

func (s *Server) command(p Person, d Deed) Outcome {
	name, text, _ := strings.Cut(strings.TrimSpace(d.Text), " ")
	if name != s.opt.Command {
		return no("refused", "%s is not a command of this workspace. There is %s.", name, s.opt.Command)
	}
	if d.ThreadTS != "" {
		return no("refused", "Slash commands do not work in threads.")
	}
	s.mu.Lock()
	channel, ok := s.place(p, d)
	if !ok {
		s.mu.Unlock()
		return no("refused", "There is no channel %q.", d.Channel)
	}
	trigger := s.newTrigger(p.ID, "")
	e := &envelope{
		kind: "slash_commands", accepts: true, waits: commandWaits, pauses: []time.Duration{0, 0}, trigger: trigger,
		about: Wire{User: p.ID, Command: strings.TrimSpace(d.Text)},
		payload: map[string]any{
			"token": "rehearsal", "team_id": TeamID, "team_domain": teamDomain, "channel_id": channel, "channel_name": s.payloadName(channel),
			"user_id": p.ID, "user_name": p.handle(), "command": name, "text": strings.TrimSpace(text), "api_app_id": AppID,
			"is_enterprise_install": "false", "response_url": s.newHook(hook{channel: channel, user: p.ID}), "trigger_id": trigger,
		},
	}
	// slack-go decodes this one into a bool.
	e.payload["is_enterprise_install"] = false
	s.mu.Unlock()
	payload, err := s.deliver(e)
	if err != nil {
		return s.unanswered(p, channel, name, err)
	}
	if o := decode(payload); len(o) > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.answerHook(&hook{channel: channel, user: p.ID, at: s.clock.Now()}, o); err != nil {
			return no("invalid", "%s answered with something that Slack does not show: %v.", s.opt.BotName, err)
		}
	}
	return Outcome{OK: true}
}

// unanswered tells a person that the bot was silent.
func (s *Server) unanswered(p Person, channel, what string, err error) Outcome {
	reason := fmt.Sprintf("%s failed: %s did not respond.", what, s.opt.BotName)
	word := "no_answer"
	if errors.Is(err, errNoConnection) {
		reason = fmt.Sprintf("%s failed: %s did not respond, for it was not connected.", what, s.opt.BotName)
		word = "not_delivered"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addEphemeral(&Message{Channel: channel, TS: s.ts(), User: slackbot, For: p.ID, Text: reason})
	return Outcome{Error: word, Reason: reason}
}

func (s *Server) userRef(p Person) map[string]any {
	return map[string]any{"id": p.ID, "username": p.handle(), "name": p.handle(), "team_id": p.team()}
}

// interaction is what every interactive payload has.
func (s *Server) interaction(kind string, p Person) map[string]any {
	return map[string]any{
		"type": kind, "user": s.userRef(p), "api_app_id": AppID, "token": "rehearsal",
		"team": map[string]any{"id": TeamID, "domain": teamDomain}, "enterprise": nil, "is_enterprise_install": false,
	}
}

// press is a click on a button, or a choice, in a message or in a modal.
func (s *Server) press(p Person, d Deed) Outcome {
	s.mu.Lock()
	payload := s.interaction("block_actions", p)
	var blocks []Block
	channel := ""
	inView := ""
	if d.ViewID != "" {
		v := s.views[d.ViewID]
		if v == nil {
			if h := s.homes[p.ID]; h != nil && h.ID == d.ViewID {
				v = h
			}
		}
		if v == nil || v.User != p.ID {
			s.mu.Unlock()
			return no("refused", "This window is not open any more.")
		}
		blocks, inView = v.blocks(), v.ID
		state, _ := fill(blocks, d.Values)
		payload["view"] = v.asJSON(state)
		payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
	} else {
		m, ephemeral := s.visible(p, d)
		if m == nil {
			s.mu.Unlock()
			return no("refused", "This message is gone.")
		}
		blocks, channel = m.Blocks, m.Channel
		state, _ := fill(blocks, d.Values)
		container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": channel, "is_ephemeral": ephemeral}
		if m.ThreadTS != "" {
			container["thread_ts"] = m.ThreadTS
		}
		payload["container"] = container
		payload["channel"] = map[string]any{"id": channel, "name": s.payloadName(channel)}
		payload["state"] = map[string]any{"values": state}
		if !ephemeral { // Slack does not send the text of one
			payload["message"] = s.messageJSON(m, true)
		}
		payload["response_url"] = s.newHook(hook{channel: channel, user: p.ID, ts: m.TS, ephemeral: ephemeral})
	}
	found, ok := choose(blocks, d)
	if !ok {
		s.mu.Unlock()
		return no("refused", "This button is not there any more: the message changed. Look again.")
	}
	if c, has := found.element["confirm"].(map[string]any); has && !d.Confirmed {
		s.mu.Unlock()
		return Outcome{Error: "confirm", Reason: "This button asks to be confirmed.", Confirm: c}
	}
	action, fault := actionOf(found, d, s.ts())
	if fault != "" {
		s.mu.Unlock()
		return no("refused", "%s", fault)
	}
	trigger := s.newTrigger(p.ID, inView)
	payload["trigger_id"] = trigger
	payload["actions"] = []any{action}
	s.mu.Unlock()
	_, err := s.deliver(&envelope{
		kind: "interactive", waits: interactionWaits, pauses: []time.Duration{0, 0}, trigger: trigger, payload: payload,
		about: Wire{Kind: "block_actions", User: p.ID, ActionIDs: []string{str(found.element, "action_id")}},
	})
	if err != nil {
		return s.unanswered(p, s.firstOf(channel), "The button", err)
	}
	return Outcome{OK: true}
}

func (s *Server) firstOf(channel string) string {
	if channel == "" {
		return s.channels[0].ID
	}
	return channel
}

// visible finds the message that a person clicks in. Called with mu held.
func (s *Server) visible(p Person, d Deed) (m *Message, ephemeral bool) {
	for _, m := range s.ephemeral[p.ID] {
		if m.TS == d.MessageTS {
			return m, true
		}
	}
	channel, ok := s.place(p, d)
	if !ok {
		return nil, false
	}
	return s.find(channel, d.MessageTS), false
}

// choose finds the element that is meant.
func choose(blocks []Block, d Deed) (placed, bool) {
	for _, e := range elements(blocks) {
		if str(e.element, "action_id") != d.ActionID || d.BlockID != "" && str(e.block, "block_id") != d.BlockID {
			continue
		}
		if str(e.element, "type") == "button" && d.Value != "" && str(e.element, "value") != d.Value {
			continue
		}
		return e, true
	}
	return placed{}, false
}

func actionOf(found placed, d Deed, ts string) (map[string]any, string) {
	e := found.element
	kind := str(e, "type")
	action := map[string]any{"type": kind, "action_id": str(e, "action_id"), "block_id": str(found.block, "block_id"), "action_ts": ts}
	switch kind {
	case "button":
		action["text"] = e["text"]
		for _, name := range []string{"value", "style", "url"} {
			if v := str(e, name); v != "" {
				action[name] = v
			}
		}
	case "overflow":
		o := option(e, d.Value)
		if o == nil {
			return nil, strconv.Quote(d.Value) + " is not one of the options."
		}
		action["selected_option"] = o
	default:
		var texts []string
		if given, ok := d.Values[str(found.block, "block_id")][d.ActionID]; ok {
			texts = asTexts(given)
		} else if d.Value != "" {
			texts = []string{d.Value}
		}
		state, fault := elementState(e, kind, texts)
		if fault != "" {
			return nil, fault
		}
		maps.Copy(action, state)
	}
	return action, ""
}

func (s *Server) submit(p Person, d Deed) Outcome {
	s.mu.Lock()
	v := s.views[d.ViewID]
	if v == nil || v.User != p.ID || s.top(p.ID) != v {
		s.mu.Unlock()
		return no("refused", "This form is not open any more.")
	}
	state, faults := fill(v.blocks(), d.Values)
	if len(faults) > 0 {
		s.mu.Unlock()
		return Outcome{Error: "invalid", Reason: "The form is not complete.", Action: "errors", Errors: faults}
	}
	trigger := s.newTrigger(p.ID, v.ID)
	payload := s.interaction("view_submission", p)
	payload["trigger_id"], payload["view"], payload["response_urls"] = trigger, v.asJSON(state), []any{}
	s.mu.Unlock()
	ack, err := s.deliver(&envelope{
		kind: "interactive", accepts: true, waits: interactionWaits, pauses: []time.Duration{0, 0}, trigger: trigger, payload: payload,
		about: Wire{Kind: "view_submission", User: p.ID, CallbackID: str(v.Body, "callback_id")},
	})
	if err != nil {
		out := no("no_answer", "We had some trouble connecting. Try again?")
		if errors.Is(err, errNoConnection) {
			out.Error = "not_delivered"
		}
		return out
	}
	return s.submitted(v.ID, decode(ack))
}

// submitted does with a form what the acknowledgement says.
func (s *Server) submitted(id string, ack map[string]any) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views[id] // it may have been updated meanwhile
	if v == nil {
		return Outcome{OK: true, Action: "clear"}
	}
	trouble := func(why string) Outcome {
		return no("invalid", "We had some trouble connecting. Try again? (%s)", why)
	}
	action := str(ack, "response_action")
	switch action {
	case "":
		s.closeView(v)
		return Outcome{OK: true}
	case "clear":
		s.forgetViews(v.User)
		return Outcome{OK: true, Action: action}
	case "errors":
		given, _ := ack["errors"].(map[string]any)
		out := Outcome{Error: "invalid", Reason: "The form was not accepted.", Action: action, Errors: map[string]string{}}
		for block, text := range given {
			input := slices.ContainsFunc(v.blocks(), func(b Block) bool { return b["type"] == "input" && str(b, "block_id") == block })
			if !input {
				return trouble(fmt.Sprintf("errors names %q, which is not an input of this form", block))
			}
			out.Errors[block], _ = text.(string)
		}
		if len(out.Errors) == 0 {
			return trouble("errors is empty")
		}
		return out
	case "update", "push":
		body, err := checkView(ack["view"], "modal")
		if err != nil {
			return trouble(err.Error())
		}
		if action == "update" {
			return Outcome{OK: true, Action: action, View: s.change(v, body)}
		}
		if len(s.stacks[v.User]) >= viewsMax {
			return trouble("push_limit_reached")
		}
		return Outcome{OK: true, Action: action, View: s.show(v.User, body, v)}
	}
	return trouble(fmt.Sprintf("response_action %q does not exist", action))
}

func (s *Server) dismiss(p Person, d Deed) Outcome {
	s.mu.Lock()
	v := s.views[d.ViewID]
	if v == nil || v.User != p.ID {
		s.mu.Unlock()
		return no("refused", "This window is not open any more.")
	}
	all, _ := v.Body["clear_on_close"].(bool)
	if all {
		s.forgetViews(p.ID)
	} else {
		s.closeView(v)
	}
	payload := s.interaction("view_closed", p)
	payload["view"], payload["is_cleared"] = v.asJSON(nil), all
	s.mu.Unlock()
	if notify, _ := v.Body["notify_on_close"].(bool); notify {
		s.goBusy(func() {
			_, _ = s.deliver(&envelope{ // nobody waits for the answer
				kind: "interactive", waits: interactionWaits, pauses: []time.Duration{0, 0}, payload: payload,
				about: Wire{Kind: "view_closed", User: p.ID, CallbackID: str(v.Body, "callback_id")},
			})
		})
	}
	return Outcome{OK: true}
}

// say posts a person's message and tells the bot of it.
func (s *Server) say(p Person, d Deed) Outcome {
	text := strings.TrimSpace(d.Text)
	if text == "" {
		return no("refused", "There is nothing to send.")
	}
	if strings.HasPrefix(text, "/") {
		return s.command(p, d)
	}
	if len([]rune(text)) > postTextMax {
		return no("refused", "A message has at most %d characters.", postTextMax)
	}
	s.mu.Lock()
	channel, ok := s.place(p, d)
	if !ok {
		s.mu.Unlock()
		return no("refused", "There is no channel %q.", d.Channel)
	}
	if s.archived(channel) {
		s.mu.Unlock()
		return no("refused", "#%s is archived. Nothing can be said in it any more.", s.channelName(channel))
	}
	if s.opt.DirectReadOnly && s.directPerson(channel) != "" {
		s.mu.Unlock()
		return no("refused", "Sending messages to this app has been turned off. What %s says to you alone can be read here.", s.opt.BotName)
	}
	if !s.isIn(channel, p.ID) { // a public channel: one joins it to speak
		s.alter(channel, func(c *Channel) { c.Members = append(c.Members, p.ID) })
		if s.isIn(channel, BotUserID) {
			s.came(channel, "", p.ID)
		}
	}
	hears := s.isIn(channel, BotUserID)
	text, mentioned := s.written(p, text)
	m := &Message{Channel: channel, TS: s.ts(), User: p.ID, Text: text, ThreadTS: s.thread(channel, d.ThreadTS)}
	s.add(m)
	kind := map[string]string{"channels": "channel", "groups": "group", "im": "im"}[s.family(channel)]
	event := map[string]any{"type": "message", "user": p.ID, "text": m.Text, "ts": m.TS, "channel": channel, "event_ts": m.TS, "team": TeamID, "channel_type": kind}
	if m.ThreadTS != "" {
		event["thread_ts"] = m.ThreadTS
	}
	s.mu.Unlock()
	if !hears { // Slack tells an app of the channels it is in
		return Outcome{OK: true, TS: m.TS}
	}
	s.event(p.ID, event)
	if mentioned && kind != "im" {
		app := map[string]any{"type": "app_mention"}
		for _, name := range []string{"user", "text", "ts", "channel", "event_ts", "team", "thread_ts"} {
			if v, ok := event[name]; ok {
				app[name] = v
			}
		}
		s.event(p.ID, app)
	}
	return Outcome{OK: true, TS: m.TS}
}

func (s *Server) openHome(p Person, _ Deed) Outcome {
	if s.opt.HomeDisabled {
		return no("not_enabled", "%s has no Home: its manifest says home_tab_enabled: false.", s.opt.BotName)
	}
	s.mu.Lock()
	event := map[string]any{"type": "app_home_opened", "user": p.ID, "channel": s.directID(p), "tab": "home", "event_ts": s.ts()}
	home := s.homes[p.ID]
	if home != nil {
		event["view"] = home.asJSON(nil)
	}
	s.mu.Unlock()
	s.event(p.ID, event)
	return Outcome{OK: true, View: home}
}

// showPresence is how a person sets whether they are shown as away.
func (s *Server) showPresence(p Person, d Deed) Outcome {
	if d.Value != "auto" && d.Value != "away" {
		return no("refused", "One is shown as auto or as away, not as %q.", d.Value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Away = d.Value == "away"
	s.absent[p.ID] = p.Away
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "presence", Person: &p})
	return Outcome{OK: true}
}
