package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Slack's limits. https://docs.slack.dev/reference/block-kit
const (
	sectionMax = 2900 // 3000
	blocksMax  = 45   // 50
	buttonsMax = 20   // 25 in one block of actions
	labelMax   = 75
	// messageMax is all blocks together, as JSON: msg_blocks_too_long has been
	// seen from about 13,200 characters.
	messageMax = 12500
	fileMax    = 1 << 20
)

// eventType of the metadata that every message of ours carries, so that it is
// found again after a crash.
const eventType = "failoverbot"

// Keys of the metadata that say who is waited for, and for what; they are there
// while that is so.
const (
	metaWaits = "waits_for"
	metaAsks  = "asks"
)

// message is something to be said in a channel.
type message struct {
	blocks []slack.Block
	text   string // where blocks cannot be shown: notifications, old clients
	meta   map[string]any
}

func (m message) options() []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(m.text, false),
		slack.MsgOptionBlocks(m.blocks...),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: eventType, EventPayload: m.meta}),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
}

// plain is the same without anything that could be refused for its form.
func (m message) plain() message {
	m.blocks = []slack.Block{}
	m.text = cut(m.text, 1000)
	return m
}

// with is the message with rows of buttons below, if they still fit.
func (m message) with(rows []slack.Block) message {
	more := append(slices.Clone(m.blocks), rows...)
	if data, err := json.Marshal(more); err == nil && len(data) <= messageMax && len(more) <= blocksMax {
		m.blocks = more
	}
	return m
}

// sum tells whether two messages look the same.
func (m message) sum() string {
	data, err := json.Marshal(struct {
		Blocks []slack.Block
		Text   string
		Meta   map[string]any
	}{m.blocks, m.text, m.meta})
	if err != nil {
		return err.Error() // never: blocks are ours
	}
	return string(data)
}

// words are the texts of templates/message.
type words struct {
	t       *template.Template
	command string
}

// ourCommand is how the templates call the command, whatever a workspace calls it. The
// mark before it is never in what people typed: there it stands as a look-alike.
var ourCommand = regexp.MustCompile("`/failover([ `])")

// spell calls the command as this workspace does. Twice is the same as once.
func (w words) spell(text string) string {
	if w.command == "" || w.command == "/failover" {
		return text
	}
	return ourCommand.ReplaceAllString(text, "`"+strings.ReplaceAll(w.command, "$", "$$")+"$1")
}

func loadWords(files fs.FS, command string) (words, error) {
	t := template.New("message").Option("missingkey=error").Funcs(template.FuncMap{
		"at": clockTime, "minute": minuteTime, "utc": utc, "span": text.Duration, "short": short,
		"number": text.Count, "either": either,
	})
	names, err := fs.Glob(files, "message/*.tmpl")
	if err != nil {
		return words{}, fmt.Errorf("find the message templates: %w", err)
	}
	for _, name := range names {
		data, err := strict.ReadFS(files, name)
		if err == nil {
			_, err = t.New(path.Base(name)).Parse(string(data))
		}
		if err != nil {
			return words{}, fmt.Errorf("read the message templates: %w", err)
		}
	}
	for _, name := range []string{
		"card", "go", "approval", "failed", "update", "back", "break-glass", "volatile", "diverged", "lost", "gone-back", "away", "reached",
		"ask", "review", "home", "readiness", "here", "asked", "proposal",
	} {
		if t.Lookup(name+".tmpl") == nil {
			return words{}, fmt.Errorf("the message templates lack message/%s.tmpl", name)
		}
	}
	return words{t, command}, nil
}

// say fills in a text. A template that does not fit its values is a fault of the
// template, found by tests; the fault is said where the text would have been.
func (w words) say(name string, view any) string {
	var b strings.Builder
	if err := w.t.ExecuteTemplate(&b, name+".tmpl", view); err != nil {
		return escape(err.Error())
	}
	return w.spell(b.String())
}

// compose makes a message of a text and rows of buttons, within Slack's limits
// whatever the text is. The buttons always stay.
func compose(text string, rehearsal bool, rows ...slack.Block) message {
	text = strings.TrimSpace(text)
	text = prefix(rehearsal) + text
	m := message{}
	for budget := 9000; ; budget = budget * 3 / 4 {
		m.blocks = append(paragraphs(text, budget, blocksMax-len(rows)), rows...)
		if data, err := json.Marshal(m.blocks); err != nil || len(data) <= messageMax || budget < 500 {
			break
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	m.text = cut(unmarked.Replace(first), 300)
	return m
}

// unmarked is a line for where nothing is bold or code.
var unmarked = strings.NewReplacer("*", "", "`", "")

// paragraphs makes blocks of a text: an empty line parts them, "~ " begins small
// print.
func paragraphs(text string, budget, most int) []slack.Block {
	var out []slack.Block
	left := budget
	for p := range strings.SplitSeq(text, "\n\n") {
		p = strings.Trim(p, "\n")
		if strings.TrimSpace(p) == "" {
			continue
		}
		small := strings.HasPrefix(p, "~ ")
		p = strings.TrimPrefix(p, "~ ")
		for p != "" {
			var now string
			now, p = head(p, min(sectionMax, left))
			if now == "" || len(out) == most-1 && p != "" || len(out) >= most {
				return append(out[:min(len(out), most-1)], smallPrint("… shortened; the timeline has all of it"))
			}
			left -= utf8.RuneCountInString(now)
			if small {
				out = append(out, smallPrint(now))
			} else {
				out = append(out, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, now, false, false), nil, nil))
			}
		}
	}
	return out
}

func smallPrint(text string) slack.Block {
	return slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, text, false, false))
}

// head takes up to n characters off the front of a text, whole lines if it can.
func head(p string, n int) (first, rest string) {
	if utf8.RuneCountInString(p) <= n {
		return p, ""
	}
	if n < 40 {
		return "", p
	}
	end := 0
	for i := range p {
		if n == 0 {
			end = i
			break
		}
		n--
	}
	if nl := strings.LastIndexByte(p[:end], '\n'); nl > 0 {
		return p[:nl], p[nl+1:]
	}
	// One long line: not in the middle of an entity, a mention or a date.
	if cutAt := strings.LastIndexByte(p[:end], ' '); cutAt > end/2 {
		end = cutAt
	}
	return p[:end], p[end:]
}

// ellipsis is written in one way: it says that a form opens.
var ellipsis = strings.NewReplacer(" ...", " …", "...", "…")

// button carries what it is about and nothing else.
func button(b commands.Button) *slack.ButtonBlockElement {
	b.Label = ellipsis.Replace(b.Label)
	e := slack.NewButtonBlockElement(actionPrefix+b.Verb, join(b.Incident, b.On),
		slack.NewTextBlockObject(slack.PlainTextType, cut(b.Label, labelMax), false, false))
	e.Style = slack.Style(b.Style)
	if b.Confirm != "" {
		e.Confirm = slack.NewConfirmationBlockObject(
			slack.NewTextBlockObject(slack.PlainTextType, cut(b.Label, 100), false, false),
			slack.NewTextBlockObject(slack.PlainTextType, cut(b.Confirm, 300), false, false),
			slack.NewTextBlockObject(slack.PlainTextType, "Yes", false, false),
			slack.NewTextBlockObject(slack.PlainTextType, "No", false, false),
		)
	}
	return e
}

// row is a block of buttons. In one block no action may stand twice, so a second
// one of the same verb begins another block.
func row(id string, buttons ...commands.Button) []slack.Block {
	var rows []slack.Block
	for len(buttons) > 0 {
		var now []slack.BlockElement
		var later []commands.Button
		seen := map[string]bool{}
		for _, b := range buttons {
			if seen[b.Verb] || len(now) == buttonsMax {
				later = append(later, b)
				continue
			}
			seen[b.Verb] = true
			now = append(now, button(b))
		}
		name := id
		if len(rows) > 0 {
			name = fmt.Sprintf("%s/%d", id, len(rows))
		}
		rows = append(rows, slack.NewActionBlock(cut(name, 255), now...))
		buttons = later
		if len(rows) == 5 {
			break // nobody reads a hundred buttons
		}
	}
	return rows
}

// reply is an answer of commands.
func (f mrkdwn) reply(a commands.Answer, rehearsal bool) message {
	return compose(f.render(a.Text), rehearsal, row("answer", a.Buttons...)...)
}

// modal is a form.
func (f mrkdwn) modal(form *commands.Form) slack.ModalViewRequest {
	plain := func(s string, n int) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, cut(s, n), false, false)
	}
	var blocks []slack.Block
	if !form.Text.Empty() {
		blocks = paragraphs(f.render(form.Text), 9000, 20)
	}
	for _, field := range form.Fields {
		var e slack.BlockElement
		if len(field.Choices) > 0 {
			var options []*slack.OptionBlockObject
			var chosen *slack.OptionBlockObject
			for _, c := range field.Choices[:min(len(field.Choices), 100)] {
				o := slack.NewOptionBlockObject(c.Value, plain(c.Label, labelMax), nil)
				if c.Value == field.Value && c.Value != "" {
					chosen = o
				}
				options = append(options, o)
			}
			s := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose", 150), "value", options...)
			s.InitialOption = chosen
			e = s
		} else {
			t := slack.NewPlainTextInputBlockElement(nil, "value")
			t.Multiline, t.InitialValue, t.MaxLength = field.Lines, cut(field.Value, 3000), 3000
			e = t
		}
		var hint *slack.TextBlockObject
		if !field.Hint.Empty() {
			hint = plain(f.plain(field.Hint), 2000)
		}
		in := slack.NewInputBlock(cut(field.Name, 255), plain(field.Label, 2000), hint, e)
		in.Optional = field.Optional
		blocks = append(blocks, in)
	}
	v := slack.ModalViewRequest{
		Type: slack.VTModal, Title: plain(form.Title, 24), Close: plain("Cancel", 24),
		CallbackID: actionPrefix + form.Verb, PrivateMetadata: join(form.Incident, form.On),
		Blocks: slack.Blocks{BlockSet: blocks},
	}
	if len(form.Fields) > 0 || form.Submit != "" {
		submit := form.Submit
		if submit == "" {
			submit = "Send"
		}
		v.Submit = plain(submit, 24)
	}
	return v
}

// post says m and returns its timestamp. Refused for its form, it is said again
// without blocks: better plain than not at all.
func (c *Client) post(ctx context.Context, channel, thread string, m message) (ts string, err error) {
	send := func(m message) error {
		return c.call(ctx, "chat.postMessage", channel, func(ctx context.Context) (err error) {
			opts := m.options()
			if thread != "" {
				opts = append(opts, slack.MsgOptionTS(thread))
			}
			_, ts, err = c.api.PostMessageContext(ctx, channel, opts...)
			return err
		})
	}
	err = send(m)
	if refused(err) {
		c.log.Error().Err(err).Strs("why", reasons(err)).Str("text", m.text).Msg("Slack refused a message for its form; it is sent as plain text")
		err = send(m.plain())
	}
	if err != nil {
		return "", fmt.Errorf("post to %s: %w", channel, err)
	}
	return ts, nil
}

// replace shows m where ts is.
func (c *Client) replace(ctx context.Context, channel, ts string, m message) error {
	send := func(m message) error {
		return c.call(ctx, "chat.update", channel, func(ctx context.Context) error {
			_, _, _, err := c.api.UpdateMessageContext(ctx, channel, ts, m.options()...)
			return err
		})
	}
	err := send(m)
	if refused(err) {
		c.log.Error().Err(err).Strs("why", reasons(err)).Str("text", m.text).Msg("Slack refused a message for its form; it is sent as plain text")
		err = send(m.plain())
	}
	if err != nil {
		return fmt.Errorf("replace %s in %s: %w", ts, channel, err)
	}
	return nil
}

// reasons are what Slack says about the form in detail.
func reasons(err error) []string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.ResponseMetadata.Messages
	}
	return nil
}

// upload shares a file in a channel.
func (c *Client) upload(ctx context.Context, channel, thread string, f commands.File, comment string) error {
	if len(f.Content) == 0 {
		return fmt.Errorf("upload %s: it is empty", f.Name)
	}
	// Before it is measured: Slack is told its size first.
	f.Content = []byte(c.secrets.Hide(string(f.Content)))
	content := f.Content[:min(len(f.Content), fileMax)]
	err := c.call(ctx, "files.upload", "", func(ctx context.Context) error {
		_, err := c.api.UploadFileContext(ctx, slack.UploadFileParameters{
			Filename: f.Name, Title: f.Title, Content: string(content), FileSize: len(content),
			Channel: channel, ThreadTimestamp: thread, InitialComment: comment,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("upload %s: %w", f.Name, err)
	}
	return nil
}
