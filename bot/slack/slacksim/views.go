package slacksim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	triggerLives = 3 * time.Second
	viewsMax     = 3 // in one stack
	viewSizeMax  = 250 * 1024

	// remembers is how long a trigger or a response_url that has run out is still told
	// from one that never was.
	remembers = time.Hour
)

// trigger is the right to open one modal for a person who just did something.
type trigger struct {
	user string
	at   time.Time
	used bool
	view string // set when the click was inside a modal
}

// newTrigger is called with mu held.
func (s *Server) newTrigger(user, view string) string {
	now := s.clock.Now()
	maps.DeleteFunc(s.triggers, func(_ string, t *trigger) bool { return now.Sub(t.at) > remembers })
	id := strconv.FormatInt(now.UnixNano(), 10) + "." + newID("")
	s.triggers[id] = &trigger{user: user, at: now, view: view}
	return id
}

// redeem uses a trigger up. Called with mu held.
func (s *Server) redeem(id string) (*trigger, error) {
	t := s.triggers[id]
	switch {
	case id == "":
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: trigger_id")
	case t == nil:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case s.clock.Now().Sub(t.at) > s.within(triggerLives):
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// view is a modal, or somebody's home tab. It is never changed in place once it
// was published: change makes a copy.
type view struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	User       string         `json:"user"`
	Body       map[string]any `json:"view"` // as the app gave it, with ids
	Hash       string         `json:"hash"`
	RootID     string         `json:"root_view_id"`
	PreviousID string         `json:"previous_view_id,omitempty"`
}

func (v *view) blocks() []Block {
	list, _ := v.Body["blocks"].([]Block)
	return list
}

// asJSON is a view as Slack sends it.
func (v *view) asJSON(values map[string]any) map[string]any {
	j := map[string]any{
		"private_metadata": "", "callback_id": "", "external_id": "", "title": nil, "submit": nil, "close": nil,
		"clear_on_close": false, "notify_on_close": false, "previous_view_id": nil,
	}
	maps.Copy(j, v.Body)
	if values == nil {
		values = map[string]any{}
	}
	maps.Copy(j, map[string]any{
		"id": v.ID, "team_id": TeamID, "type": v.Type, "hash": v.Hash, "state": map[string]any{"values": values},
		"root_view_id": v.RootID, "app_id": AppID, "bot_id": BotID, "app_installed_team_id": TeamID,
	})
	if v.PreviousID != "" {
		j["previous_view_id"] = v.PreviousID
	}
	return j
}

// checkView reads and checks a view as an app gives it.
func checkView(v any, want string) (map[string]any, error) {
	body, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: view")
	}
	if runes(body) > viewSizeMax {
		return nil, refuse("view_too_large")
	}
	b := &blockCheck{surface: want}
	if kind := str(body, "type"); kind != want {
		b.fault("/view/type", "must be %s", want)
	}
	list, ok := body["blocks"].([]any)
	if !ok {
		b.fault("/view", "missing required field: blocks")
	}
	if want == "modal" {
		b.textObject(body, "title", "/view", 1, 24, "plain_text")
		for _, name := range []string{"submit", "close"} {
			if body[name] != nil {
				b.textObject(body, name, "/view", 1, 24, "plain_text")
			}
		}
	}
	b.text(body, "private_metadata", "/view", 3000, false)
	b.text(body, "callback_id", "/view", 255, false)
	b.text(body, "external_id", "/view", 255, false)
	blocks := b.blocks(list, "/view/blocks")
	if want == "modal" && body["submit"] == nil && slices.ContainsFunc(blocks, func(k Block) bool { return k["type"] == "input" }) {
		b.fault("/view", "missing required field: submit, needed by the input blocks")
	}
	if len(b.faults) > 0 {
		return nil, refuse("invalid_arguments", b.faults...)
	}
	out := maps.Clone(body)
	out["blocks"] = blocks
	return out, nil
}

func (c *call) view(want string) (map[string]any, error) {
	v, _, err := c.value("view")
	if err != nil {
		return nil, refuse("invalid_arguments", "[ERROR] "+err.Error())
	}
	return checkView(v, want)
}

func (s *Server) viewsOpen(c *call) (map[string]any, error) {
	body, err := c.view("modal")
	if err != nil {
		return nil, err
	}
	if s.external(body, nil) {
		return nil, refuse("duplicate_external_id")
	}
	t, err := s.redeem(c.str("trigger_id"))
	if err != nil {
		return nil, err
	}
	v := s.show(t.user, body, nil)
	return map[string]any{"view": v.asJSON(nil)}, nil
}

func (s *Server) viewsPush(c *call) (map[string]any, error) {
	body, err := c.view("modal")
	if err != nil {
		return nil, err
	}
	if s.external(body, nil) {
		return nil, refuse("duplicate_external_id")
	}
	t := s.triggers[c.str("trigger_id")]
	if t != nil && (t.view == "" || s.top(t.user) == nil) {
		return nil, refuse("not_found", "[ERROR] a view can only be pushed on the modal that was clicked in")
	}
	if t != nil && len(s.stacks[t.user]) >= viewsMax {
		return nil, refuse("push_limit_reached")
	}
	if t, err = s.redeem(c.str("trigger_id")); err != nil {
		return nil, err
	}
	v := s.show(t.user, body, s.top(t.user))
	return map[string]any{"view": v.asJSON(nil)}, nil
}

// external says whether another view has the external id of this one.
func (s *Server) external(body map[string]any, except *view) bool {
	id := str(body, "external_id")
	if id == "" {
		return false
	}
	for _, all := range []map[string]*view{s.views, s.homes} {
		for _, v := range all {
			if v != except && str(v.Body, "external_id") == id {
				return true
			}
		}
	}
	return false
}

func (s *Server) top(user string) *view {
	stack := s.stacks[user]
	if len(stack) == 0 {
		return nil
	}
	return stack[len(stack)-1]
}

// show opens a modal, on top of another or in place of all. Called with mu held.
func (s *Server) show(user string, body map[string]any, on *view) *view {
	v := &view{ID: newID("V0")[:13], Type: "modal", User: user, Body: body, Hash: s.ts() + "." + newID("")[:8]}
	v.RootID = v.ID
	if on == nil {
		s.forgetViews(user)
	} else {
		v.RootID, v.PreviousID = on.RootID, on.ID
	}
	s.views[v.ID] = v
	s.stacks[user] = append(s.stacks[user], v)
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "view", For: user, View: v})
	return v
}

// change puts another body into a view that is open. Called with mu held.
func (s *Server) change(old *view, body map[string]any) *view {
	v := *old
	v.Body, v.Hash = body, s.ts()+"."+newID("")[:8]
	s.views[v.ID] = &v
	stack := slices.Clone(s.stacks[v.User])
	for i := range stack {
		if stack[i].ID == v.ID {
			stack[i] = &v
		}
	}
	s.stacks[v.User] = stack
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "view", For: v.User, View: &v})
	return &v
}

// forgetViews closes every modal of a person. Called with mu held.
func (s *Server) forgetViews(user string) {
	for _, v := range slices.Backward(s.stacks[user]) {
		delete(s.views, v.ID)
		s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "view_closed", For: user, ViewID: v.ID})
	}
	delete(s.stacks, user)
}

// closeView takes one modal away and shows what was under it. Called with mu
// held.
func (s *Server) closeView(v *view) {
	stack := s.stacks[v.User]
	i := slices.IndexFunc(stack, func(o *view) bool { return o.ID == v.ID })
	if i < 0 {
		return
	}
	delete(s.views, v.ID)
	s.stacks[v.User] = slices.Delete(slices.Clone(stack), i, i+1)
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "view_closed", For: v.User, ViewID: v.ID})
}

func (s *Server) viewsUpdate(c *call) (map[string]any, error) {
	var old *view
	for _, v := range s.views {
		if v.ID == c.str("view_id") || c.str("external_id") != "" && str(v.Body, "external_id") == c.str("external_id") {
			old = v
		}
	}
	if old == nil {
		return nil, refuse("not_found")
	}
	if h := c.str("hash"); h != "" && h != old.Hash {
		return nil, refuse("hash_conflict")
	}
	body, err := c.view(old.Type)
	if err != nil {
		return nil, err
	}
	if s.external(body, old) {
		return nil, refuse("duplicate_external_id")
	}
	v := s.change(old, body)
	return map[string]any{"view": v.asJSON(nil)}, nil
}

func (s *Server) viewsPublish(c *call) (map[string]any, error) {
	if s.opt.HomeDisabled {
		return nil, refuse("not_enabled")
	}
	p, ok := s.person(c.str("user_id"))
	if !ok {
		return nil, refuse("invalid_arguments", "[ERROR] invalid `user_id`")
	}
	body, err := c.view("home")
	if err != nil {
		return nil, err
	}
	old := s.homes[p.ID]
	if s.external(body, old) {
		return nil, refuse("duplicate_external_id")
	}
	if h := c.str("hash"); h != "" && old != nil && h != old.Hash {
		return nil, refuse("hash_conflict")
	}
	v := &view{ID: newID("V0")[:13], Type: "home", User: p.ID, Body: body, Hash: s.ts() + "." + newID("")[:8]}
	if old != nil {
		v.ID = old.ID
	}
	v.RootID = v.ID
	s.homes[p.ID] = v
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "home", For: p.ID, View: v})
	return map[string]any{"view": v.asJSON(nil)}, nil
}

// fill turns what a person entered into the state that Slack sends, and says
// what Slack's own client would not let through. A field that the person did not
// touch keeps its initial value.
//
// entered is block id -> action id -> text, or a list of texts for elements with
// several choices.
func fill(blocks []Block, entered map[string]map[string]any) (state map[string]any, faults map[string]string) {
	state, faults = map[string]any{}, map[string]string{}
	for _, p := range elements(blocks) {
		kind, blockID, actionID := str(p.element, "type"), str(p.block, "block_id"), str(p.element, "action_id")
		if kind == "button" || kind == "overflow" {
			continue
		}
		given, touched := entered[blockID][actionID]
		texts := asTexts(given)
		if !touched {
			texts = initial(p.element)
		}
		texts = slices.DeleteFunc(texts, func(t string) bool { return t == "" })
		value, fault := elementState(p.element, kind, texts)
		optional, _ := p.block["optional"].(bool)
		if fault == "" && len(texts) == 0 && p.block["type"] == "input" && !optional {
			fault = "Please complete this required field."
		}
		if fault != "" {
			faults[blockID] = fault
		}
		of, _ := state[blockID].(map[string]any)
		if of == nil {
			of = map[string]any{}
			state[blockID] = of
		}
		of[actionID] = value
	}
	return state, faults
}

func asTexts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case bool:
		return []string{strconv.FormatBool(v)}
	case []any:
		var out []string
		for _, one := range v {
			out = append(out, asTexts(one)...)
		}
		return out
	}
	return nil
}

// initial is what an element holds before anybody touches it.
func initial(e map[string]any) []string {
	var out []string
	for _, name := range []string{"initial_value", "initial_date", "initial_time", "initial_date_time", "initial_user", "initial_channel", "initial_conversation"} {
		out = append(out, asTexts(e[name])...)
	}
	for _, name := range []string{"initial_users", "initial_channels", "initial_conversations"} {
		out = append(out, asTexts(e[name])...)
	}
	if o, ok := e["initial_option"].(map[string]any); ok {
		out = append(out, str(o, "value"))
	}
	several, _ := e["initial_options"].([]any)
	for _, v := range several {
		o, _ := v.(map[string]any)
		out = append(out, str(o, "value"))
	}
	return out
}

func option(e map[string]any, value string) map[string]any {
	all, _ := e["options"].([]any)
	groups, _ := e["option_groups"].([]any)
	for _, g := range groups {
		group, _ := g.(map[string]any)
		options, _ := group["options"].([]any)
		all = append(slices.Clone(all), options...)
	}
	for _, v := range all {
		if o, _ := v.(map[string]any); str(o, "value") == value {
			return o
		}
	}
	return nil
}

func elementState(e map[string]any, kind string, texts []string) (state map[string]any, fault string) {
	state = map[string]any{"type": kind}
	one := ""
	if len(texts) > 0 {
		one = texts[0]
	}
	single := func(name string, v any) {
		state[name] = nil
		if one != "" {
			state[name] = v
		}
	}
	switch kind {
	case "plain_text_input", "number_input", "email_text_input", "url_text_input":
		single("value", one)
		return state, textFault(e, kind, one)
	case "static_select", "radio_buttons", "external_select":
		chosen := option(e, one)
		if one != "" && chosen == nil {
			return state, strconv.Quote(one) + " is not one of the options."
		}
		single("selected_option", chosen)
	case "multi_static_select", "checkboxes", "multi_external_select":
		list := []any{}
		for _, t := range texts {
			o := option(e, t)
			if o == nil {
				return state, strconv.Quote(t) + " is not one of the options."
			}
			list = append(list, o)
		}
		state["selected_options"] = list
	case "datepicker":
		if _, err := time.Parse(time.DateOnly, one); one != "" && err != nil {
			return state, "A date looks like 2026-11-20."
		}
		single("selected_date", one)
	case "timepicker":
		if _, err := time.Parse("15:04", one); one != "" && err != nil {
			return state, "A time looks like 14:05."
		}
		single("selected_time", one)
	case "datetimepicker":
		n, err := strconv.ParseInt(one, 10, 64)
		if at, e := time.Parse(time.RFC3339, one); err != nil && e == nil {
			n, err = at.Unix(), nil
		}
		if one != "" && err != nil {
			return state, "A date and time is seconds since 1970, or looks like 2026-11-20T14:05:00Z."
		}
		single("selected_date_time", n)
	case "users_select":
		single("selected_user", one)
	case "channels_select":
		single("selected_channel", one)
	case "conversations_select":
		single("selected_conversation", one)
	case "multi_users_select":
		state["selected_users"] = append([]string{}, texts...)
	case "multi_channels_select":
		state["selected_channels"] = append([]string{}, texts...)
	case "multi_conversations_select":
		state["selected_conversations"] = append([]string{}, texts...)
	case "rich_text_input":
		single("rich_text_value", map[string]any{"type": "rich_text", "elements": []any{map[string]any{
			"type": "rich_text_section", "elements": []any{map[string]any{"type": "text", "text": one}},
		}}})
	}
	return state, ""
}

func textFault(e map[string]any, kind, text string) string {
	if text == "" {
		return ""
	}
	n := utf8.RuneCountInString(text)
	most := 3000
	if v, ok := e["max_length"].(float64); ok && v > 0 {
		most = int(v)
	}
	if n > most {
		return "Must be at most " + strconv.Itoa(most) + " characters."
	}
	if v, ok := e["min_length"].(float64); ok && n < int(v) {
		return "Must be at least " + strconv.Itoa(int(v)) + " characters."
	}
	if kind != "number_input" {
		return ""
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "Must be a number."
	}
	if decimals, _ := e["is_decimal_allowed"].(bool); !decimals && f != float64(int64(f)) {
		return "Must be a whole number."
	}
	for name, wrong := range map[string]func(float64) bool{"min_value": func(v float64) bool { return f < v }, "max_value": func(v float64) bool { return f > v }} {
		bound := asTexts(e[name])
		if len(bound) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(bound[0], 64); err == nil && wrong(v) {
			return "Must respect " + name + " " + bound[0] + "."
		}
	}
	return ""
}

// decode reads raw JSON of an acknowledgement into an object.
func decode(raw json.RawMessage) map[string]any {
	var o map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}
