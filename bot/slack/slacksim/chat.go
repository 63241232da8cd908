package slacksim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	postTextMax    = 40000
	updateTextMax  = 4000
	attachmentsMax = 100
	pinsMax        = 100 // in one channel
)

// content reads and checks what a message says.
type content struct {
	text                        string
	blocks                      []Block
	metadata                    map[string]any
	hasText, hasBlocks, hasMeta bool
	attachments                 bool
	cut                         bool // there was more text than a message holds
}

func (c *call) content(maxText int) (content, error) {
	var k content
	_, k.hasText = c.args["text"]
	k.text = c.str("text")
	if markdown := c.str("markdown_text"); markdown != "" {
		if k.text != "" || c.args["blocks"] != nil {
			return k, refuse("markdown_text_conflict")
		}
		k.text, k.hasText = markdown, true
	}
	if utf8.RuneCountInString(k.text) > maxText {
		// Slack cuts what is posted, with a warning, and refuses the others.
		if c.method != "chat.postMessage" {
			return k, refuse("msg_too_long")
		}
		k.text, k.cut = string([]rune(k.text)[:maxText]), true
	}
	blocks, given, err := c.value("blocks")
	if err != nil {
		return k, refuse("invalid_blocks_format")
	}
	if given {
		if k.blocks, err = messageBlocks(blocks); err != nil {
			return k, err
		}
		k.hasBlocks = true
	}
	attachments, given, err := c.value("attachments")
	if err != nil {
		return k, refuse("invalid_attachments")
	}
	if list, ok := attachments.([]any); given && ok {
		if len(list) > attachmentsMax {
			return k, refuse("too_many_attachments")
		}
		k.attachments = len(list) > 0
	}
	k.metadata, k.hasMeta, err = c.metadata()
	return k, err
}

func (c *call) metadata() (map[string]any, bool, error) {
	v, given, err := c.value("metadata")
	if err != nil {
		return nil, false, refuse("invalid_metadata_format")
	}
	if !given {
		return nil, false, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false, refuse("invalid_metadata_format")
	}
	kind, _ := m["event_type"].(string)
	payload, ok := m["event_payload"].(map[string]any)
	if kind == "" && len(payload) == 0 {
		return nil, true, nil // an empty object takes the old one away
	}
	if kind == "" || !ok {
		return nil, false, refuse("invalid_metadata_format", "[ERROR] event_type has to be text and event_payload an object")
	}
	return map[string]any{"event_type": kind, "event_payload": payload}, true, nil
}

func (s *Server) botMessage(channel string, k content) *Message {
	return &Message{Channel: channel, TS: s.ts(), User: BotUserID, BotID: BotID, Text: k.text, Blocks: k.blocks, Metadata: k.metadata}
}

func (s *Server) postMessage(c *call) (map[string]any, error) {
	channel := c.at.ID
	k, err := c.content(postTextMax)
	if err != nil {
		return nil, err
	}
	if k.text == "" && len(k.blocks) == 0 && !k.attachments {
		return nil, refuse("no_text")
	}
	m := s.botMessage(channel, k)
	m.ThreadTS = s.thread(channel, c.str("thread_ts"))
	m.Broadcast = m.ThreadTS != "" && c.flag("reply_broadcast")
	s.add(m)
	out := map[string]any{"channel": channel, "ts": m.TS, "message": s.messageJSON(m, true)}
	if k.cut {
		out["warning"] = "message_truncated"
		out["response_metadata"] = map[string]any{"warnings": []string{"message_truncated"}}
	}
	return out, nil
}

// thread is the root of the thread that a message belongs to. Slack posts a
// reply to a message that is gone into the channel, and so do we.
func (s *Server) thread(channel, ts string) string {
	if m := s.find(channel, ts); m != nil {
		if m.ThreadTS != "" {
			return m.ThreadTS
		}
		return m.TS
	}
	return ""
}

func (s *Server) add(m *Message) {
	s.messages[m.Channel] = append(s.messages[m.Channel], m)
	if person := s.directPerson(m.Channel); person != "" {
		m.For = person
	}
	s.tell("post", m)
}

// find returns a message of a channel. Called with mu held.
func (s *Server) find(channel, ts string) *Message {
	if i := s.index(channel, ts); i >= 0 {
		return s.messages[channel][i]
	}
	return nil
}

func (s *Server) index(channel, ts string) int {
	return slices.IndexFunc(s.messages[channel], func(m *Message) bool { return m.TS == ts })
}

// replace puts a changed copy in a message's place, for those who hold the old
// one keep it. Called with mu held.
func (s *Server) replace(channel, ts string, change func(*Message)) *Message {
	i := s.index(channel, ts)
	m := *s.messages[channel][i]
	change(&m)
	s.messages[channel][i] = &m
	s.tell("update", &m)
	return &m
}

func (s *Server) postEphemeral(c *call) (map[string]any, error) {
	channel := c.at.ID
	p, ok := s.person(c.str("user"))
	if !ok || !s.isIn(channel, p.ID) {
		return nil, refuse("user_not_in_channel")
	}
	k, err := c.content(postTextMax)
	if err != nil {
		return nil, err
	}
	if k.text == "" && len(k.blocks) == 0 && !k.attachments {
		return nil, refuse("no_text")
	}
	m := s.botMessage(channel, k)
	m.For = p.ID
	m.ThreadTS = s.thread(channel, c.str("thread_ts"))
	s.addEphemeral(m)
	return map[string]any{"message_ts": m.TS}, nil
}

func (s *Server) addEphemeral(m *Message) {
	s.ephemeral[m.For] = append(s.ephemeral[m.For], m)
	s.tell("ephemeral", m)
}

func (s *Server) updateMessage(c *call) (map[string]any, error) {
	channel := c.at.ID
	old := s.find(channel, c.str("ts"))
	switch {
	case old == nil:
		return nil, refuse("message_not_found")
	case old.User != BotUserID:
		return nil, refuse("cant_update_message")
	}
	k, err := c.content(updateTextMax)
	if err != nil {
		return nil, err
	}
	if !k.hasText && !k.hasBlocks && !k.attachments && !k.hasMeta {
		return nil, refuse("no_text")
	}
	if k.text == "" && k.hasBlocks && len(k.blocks) == 0 {
		return nil, refuse("no_text")
	}
	m := s.replace(channel, old.TS, func(m *Message) {
		if k.hasText {
			m.Text = k.text
		}
		if k.hasBlocks {
			m.Blocks = k.blocks
		}
		if k.hasMeta {
			m.Metadata = k.metadata
		}
		m.Edited = s.ts()
	})
	return map[string]any{"channel": channel, "ts": m.TS, "text": m.Text, "message": s.messageJSON(m, true)}, nil
}

func (s *Server) deleteMessage(c *call) (map[string]any, error) {
	channel := c.at.ID
	i := s.index(channel, c.str("ts"))
	if i < 0 {
		return nil, refuse("message_not_found")
	}
	m := s.messages[channel][i]
	if m.User != BotUserID {
		return nil, refuse("cant_delete_message")
	}
	s.remove(channel, i)
	return map[string]any{"channel": channel, "ts": m.TS}, nil
}

func (s *Server) remove(channel string, i int) {
	m := s.messages[channel][i]
	s.messages[channel] = slices.Delete(slices.Clone(s.messages[channel]), i, i+1)
	s.tell("delete", &Message{Channel: channel, TS: m.TS, ThreadTS: m.ThreadTS, User: m.User, For: m.For})
}

func (s *Server) permalink(c *call) (map[string]any, error) {
	m := s.find(c.at.ID, c.str("message_ts"))
	if m == nil {
		return nil, refuse("message_not_found")
	}
	return map[string]any{"channel": c.at.ID, "permalink": s.address(m)}, nil
}

// address is the permalink of a message.
func (s *Server) address(m *Message) string {
	link := s.URL() + "archives/" + m.Channel + "/p" + strings.Replace(m.TS, ".", "", 1)
	if m.ThreadTS != "" {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + m.Channel
	}
	return link
}

func (s *Server) history(c *call) (map[string]any, error) {
	channel := c.at.ID
	var all []*Message
	for _, m := range slices.Backward(s.messages[channel]) {
		if m.ThreadTS == "" || m.Broadcast {
			all = append(all, m)
		}
	}
	return s.listing(c, channel, all, false)
}

func (s *Server) replies(c *call) (map[string]any, error) {
	channel := c.at.ID
	root := s.find(channel, s.thread(channel, c.str("ts")))
	if root == nil {
		return nil, refuse("thread_not_found")
	}
	all := []*Message{root}
	for _, m := range s.messages[channel] {
		if m.ThreadTS == root.TS {
			all = append(all, m)
		}
	}
	return s.listing(c, channel, all, true)
}

// listing answers with the messages between oldest and latest. The root of a
// thread is always there.
func (s *Server) listing(c *call, channel string, all []*Message, thread bool) (map[string]any, error) {
	oldest, latest, inclusive := c.str("oldest"), c.str("latest"), c.flag("inclusive")
	for _, one := range []struct{ ts, refusal string }{{oldest, "invalid_ts_oldest"}, {latest, "invalid_ts_latest"}} {
		if one.ts != "" && !tsShape.MatchString(one.ts) {
			return nil, refuse(one.refusal)
		}
	}
	within := func(m *Message) bool {
		if inclusive && (m.TS == oldest || m.TS == latest) {
			return true
		}
		return (oldest == "" || tsLess(oldest, m.TS)) && (latest == "" || tsLess(m.TS, latest))
	}
	var fit []*Message
	for i, m := range all {
		if within(m) || thread && i == 0 {
			fit = append(fit, m)
		}
	}
	some, next, err := cut(c, fit, 999)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, m := range some {
		list = append(list, s.messageJSON(m, c.flag("include_all_metadata")))
	}
	return map[string]any{"messages": list, "has_more": next != "", "pin_count": len(s.pins(channel)), "response_metadata": map[string]any{"next_cursor": next}}, nil
}

var tsShape = regexp.MustCompile(`^\d+(\.\d{1,6})?$`)

func tsLess(a, b string) bool {
	as, au, _ := strings.Cut(a, ".")
	bs, bu, _ := strings.Cut(b, ".")
	as, bs = strings.TrimLeft(as, "0"), strings.TrimLeft(bs, "0")
	if len(as) != len(bs) {
		return len(as) < len(bs)
	}
	pad := func(u string) string { return (u + "000000")[:6] }
	return as < bs || as == bs && pad(au) < pad(bu)
}

// messageJSON is a message as Slack sends it. Called with mu held.
func (s *Server) messageJSON(m *Message, metadata bool) map[string]any {
	j := map[string]any{"type": "message", "user": m.User, "text": m.Text, "ts": m.TS, "team": TeamID}
	if m.BotID != "" {
		j["bot_id"], j["app_id"] = m.BotID, AppID
		j["bot_profile"] = map[string]any{"id": BotID, "app_id": AppID, "name": s.opt.BotName, "deleted": false, "team_id": TeamID}
	}
	if len(m.Blocks) > 0 {
		j["blocks"] = m.Blocks
	}
	if metadata && m.Metadata != nil {
		j["metadata"] = m.Metadata
	}
	if m.Edited != "" {
		j["edited"] = map[string]any{"user": m.User, "ts": m.Edited}
	}
	if m.ThreadTS != "" {
		j["thread_ts"] = m.ThreadTS
	}
	if m.Pinned {
		j["pinned_to"] = []string{m.Channel}
	}
	if len(m.Reactions) > 0 {
		j["reactions"] = m.reactionsJSON()
	}
	if m.Broadcast {
		j["subtype"] = "thread_broadcast"
	}
	if len(m.Files) > 0 {
		var files []any
		for i := range m.Files {
			files = append(files, s.fileJSON(&m.Files[i]))
		}
		j["files"], j["upload"] = files, true
	}
	var replies []*Message
	for _, r := range s.messages[m.Channel] {
		if r.ThreadTS == m.TS {
			replies = append(replies, r)
		}
	}
	if n := len(replies); n > 0 {
		j["thread_ts"], j["reply_count"], j["latest_reply"] = m.TS, n, replies[n-1].TS
	}
	return j
}

// runes is how many characters something has as JSON without escapes for HTML.
func runes(v any) int {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return 0
	}
	return utf8.RuneCountInString(strings.TrimSuffix(b.String(), "\n"))
}
