package slacksim

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of Slack's Block Kit reference.
const (
	messageBlocksMax = 50
	viewBlocksMax    = 100
	// A message fails near 13,200 characters of blocks, far below the 40,000
	// that the reference promises (bolt-js 2509).
	blocksCharsMax = 13200
)

// messageBlocks checks the blocks of a message and gives an id to each block and
// action that has none.
func messageBlocks(v any) ([]Block, error) {
	if o, ok := v.(map[string]any); ok && o["blocks"] != nil {
		v = o["blocks"]
	}
	list, ok := v.([]any)
	if !ok {
		return nil, refuse("invalid_blocks_format")
	}
	b := &blockCheck{surface: "message"}
	blocks := b.blocks(list, "/blocks")
	if len(b.faults) > 0 {
		return nil, refuse("invalid_blocks", b.faults...)
	}
	if runes(list) > blocksCharsMax {
		return nil, refuse("msg_blocks_too_long")
	}
	return blocks, nil
}

// blockCheck collects every fault with its JSON pointer, as Slack does.
type blockCheck struct {
	surface  string // message, modal or home
	faults   []string
	blockIDs map[string]bool
	markdown int
}

func (b *blockCheck) fault(at, format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf("[ERROR] %s [json-pointer:%s]", fmt.Sprintf(format, args...), at))
}

func (b *blockCheck) blocks(list []any, at string) []Block {
	most := messageBlocksMax
	if b.surface != "message" {
		most = viewBlocksMax
	}
	if len(list) > most {
		b.fault(at, "no more than %d items allowed", most)
		return nil
	}
	b.blockIDs = map[string]bool{}
	out := make([]Block, 0, len(list))
	for i, v := range list {
		here := fmt.Sprintf("%s/%d", at, i)
		block, ok := v.(map[string]any)
		if !ok {
			b.fault(here, "must be an object")
			continue
		}
		id := b.text(block, "block_id", here, 255, false)
		if id != "" && b.blockIDs[id] {
			b.fault(here+"/block_id", "`block_id` %q already exists in this %s", id, b.surface)
		}
		b.blockIDs[id] = true
		b.block(block, here)
		if id == "" {
			block["block_id"] = newID("")[:5]
		}
		out = append(out, block)
	}
	return out
}

func (b *blockCheck) block(block Block, at string) {
	kind, _ := block["type"].(string)
	switch kind {
	case "section":
		_, hasText := block["text"]
		fields, hasFields := block["fields"].([]any)
		if !hasText && !hasFields {
			b.fault(at, "must provide either text or fields")
		}
		if hasText {
			b.textObject(block, "text", at, 1, 3000, "")
		}
		if hasFields {
			b.count(fields, at+"/fields", 1, 10)
			for i := range fields {
				b.textValue(fields[i], fmt.Sprintf("%s/fields/%d", at, i), 1, 2000, "")
			}
		}
		if block["accessory"] != nil {
			b.element(block["accessory"], at+"/accessory", accessories)
		}
	case "header":
		b.textObject(block, "text", at, 1, 150, "plain_text")
	case "divider":
	case "context":
		elements := b.list(block, "elements", at, 1, 10)
		for i, v := range elements {
			here := fmt.Sprintf("%s/elements/%d", at, i)
			e, _ := v.(map[string]any)
			if kind, _ := e["type"].(string); kind == "image" {
				b.image(e, here)
				continue
			}
			b.textValue(v, here, 1, 2000, "")
		}
	case "actions":
		elements := b.list(block, "elements", at, 1, 25)
		ids := map[string]bool{}
		for i, v := range elements {
			here := fmt.Sprintf("%s/elements/%d", at, i)
			b.element(v, here, actionElements)
			e, _ := v.(map[string]any)
			id, _ := e["action_id"].(string)
			if id != "" && ids[id] {
				b.fault(here+"/action_id", "`action_id` %q already exists in this block", id)
			}
			ids[id] = true
		}
	case "image":
		b.image(block, at)
		if block["title"] != nil {
			b.textObject(block, "title", at, 1, 2000, "plain_text")
		}
	case "input":
		b.textObject(block, "label", at, 1, 2000, "plain_text")
		if block["hint"] != nil {
			b.textObject(block, "hint", at, 1, 2000, "plain_text")
		}
		if block["element"] == nil {
			b.fault(at, "missing required field: element")
			return
		}
		b.element(block["element"], at+"/element", inputElements)
	case "markdown":
		if b.surface != "message" {
			b.fault(at+"/type", "unsupported type: markdown")
			return
		}
		b.markdown += utf8.RuneCountInString(b.text(block, "text", at, 12000, true))
		if b.markdown > 12000 {
			b.fault(at+"/text", "the markdown blocks of one message must be less than 12001 characters together")
		}
	case "rich_text":
		b.list(block, "elements", at, 0, 1000)
	case "file":
		b.text(block, "external_id", at, 255, true)
	case "":
		b.fault(at, "missing required field: type")
	default:
		b.fault(at+"/type", "unsupported type: %s", kind)
	}
}

func (b *blockCheck) image(o map[string]any, at string) {
	b.text(o, "alt_text", at, 2000, true)
	if o["slack_file"] == nil {
		b.text(o, "image_url", at, 3000, true)
	}
}

var (
	choices        = []string{"static_select", "multi_static_select", "external_select", "multi_external_select", "users_select", "multi_users_select", "conversations_select", "multi_conversations_select", "channels_select", "multi_channels_select"}
	pickers        = []string{"datepicker", "timepicker", "datetimepicker", "radio_buttons", "checkboxes"}
	accessories    = append(append([]string{"button", "image", "overflow", "workflow_button"}, choices...), pickers...)
	actionElements = append(append([]string{"button", "overflow", "workflow_button"}, choices...), pickers...)
	inputElements  = append(append([]string{"plain_text_input", "rich_text_input", "number_input", "email_text_input", "url_text_input", "file_input"}, choices...), pickers...)
)

func (b *blockCheck) element(v any, at string, allowed []string) {
	e, ok := v.(map[string]any)
	if !ok {
		b.fault(at, "must be an object")
		return
	}
	kind, _ := e["type"].(string)
	if !slices.Contains(allowed, kind) {
		b.fault(at+"/type", "unsupported type: %s", kind)
		return
	}
	if kind == "image" {
		b.image(e, at)
		return
	}
	if b.text(e, "action_id", at, 255, false) == "" {
		e["action_id"] = newID("")[:5]
	}
	if e["confirm"] != nil {
		b.confirm(e["confirm"], at+"/confirm")
	}
	if e["placeholder"] != nil {
		b.textObject(e, "placeholder", at, 1, 150, "plain_text")
	}
	switch kind {
	case "button":
		b.textObject(e, "text", at, 1, 75, "plain_text")
		b.text(e, "value", at, 2000, false)
		b.text(e, "url", at, 3000, false)
		b.text(e, "accessibility_label", at, 75, false)
		if style, given := e["style"].(string); given && style != "primary" && style != "danger" {
			b.fault(at+"/style", "must be one of primary, danger")
		}
	case "static_select", "multi_static_select":
		groups, grouped := e["option_groups"].([]any)
		if !grouped {
			b.options(e, at, 100)
			return
		}
		b.count(groups, at+"/option_groups", 1, 100)
		for i, v := range groups {
			here := fmt.Sprintf("%s/option_groups/%d", at, i)
			group, ok := v.(map[string]any)
			if !ok {
				b.fault(here, "must be an object")
				continue
			}
			b.textObject(group, "label", here, 1, 75, "plain_text")
			b.options(group, here, 100)
		}
	case "overflow":
		b.options(e, at, 5)
	case "radio_buttons", "checkboxes":
		b.options(e, at, 10)
	case "plain_text_input":
		b.text(e, "initial_value", at, 3000, false)
		for _, name := range []string{"min_length", "max_length"} {
			if n, given := e[name].(float64); given && (n < 0 || n > 3000) {
				b.fault(at+"/"+name, "must be between 0 and 3000")
			}
		}
	}
}

func (b *blockCheck) options(e map[string]any, at string, most int) {
	options := b.list(e, "options", at, 1, most)
	seen := map[string]bool{}
	for i, v := range options {
		here := fmt.Sprintf("%s/options/%d", at, i)
		o, ok := v.(map[string]any)
		if !ok {
			b.fault(here, "must be an object")
			continue
		}
		b.textObject(o, "text", here, 1, 75, "")
		if o["description"] != nil {
			b.textObject(o, "description", here, 1, 75, "")
		}
		value := b.text(o, "value", here, 150, true)
		if seen[value] {
			b.fault(here+"/value", "the value %q stands twice", value)
		}
		seen[value] = true
	}
	initial := []any{}
	if one := e["initial_option"]; one != nil {
		initial = append(initial, one)
	}
	if several, ok := e["initial_options"].([]any); ok {
		initial = append(initial, several...)
	}
	for _, v := range initial {
		o, _ := v.(map[string]any)
		value, _ := o["value"].(string)
		if !seen[value] {
			b.fault(at+"/initial_option", "must exactly match one of the options")
		}
	}
}

func (b *blockCheck) confirm(v any, at string) {
	o, ok := v.(map[string]any)
	if !ok {
		b.fault(at, "must be an object")
		return
	}
	b.textObject(o, "title", at, 1, 100, "plain_text")
	b.textObject(o, "text", at, 1, 300, "")
	b.textObject(o, "confirm", at, 1, 30, "plain_text")
	b.textObject(o, "deny", at, 1, 30, "plain_text")
	if style, given := o["style"].(string); given && style != "primary" && style != "danger" {
		b.fault(at+"/style", "must be one of primary, danger")
	}
}

// text checks a field that is a bare string.
func (b *blockCheck) text(o map[string]any, name, at string, most int, required bool) string {
	v, given := o[name]
	if !given || v == nil {
		if required {
			b.fault(at, "missing required field: %s", name)
		}
		return ""
	}
	text, ok := v.(string)
	switch n := utf8.RuneCountInString(text); {
	case !ok:
		b.fault(at+"/"+name, "must be a string")
	case required && n == 0:
		b.fault(at+"/"+name, "must be more than 0 characters")
	case n > most:
		b.fault(at+"/"+name, "must be less than %d characters", most+1)
	}
	return text
}

// textObject checks a required {type, text}; only names the one type allowed.
func (b *blockCheck) textObject(o map[string]any, name, at string, least, most int, only string) {
	if o[name] == nil {
		b.fault(at, "missing required field: %s", name)
		return
	}
	b.textValue(o[name], at+"/"+name, least, most, only)
}

func (b *blockCheck) textValue(v any, at string, least, most int, only string) {
	o, ok := v.(map[string]any)
	if !ok {
		b.fault(at, "must be an object")
		return
	}
	kind, _ := o["type"].(string)
	if kind != "plain_text" && kind != "mrkdwn" || only != "" && kind != only {
		b.fault(at+"/type", "unsupported type: %s", kind)
	}
	text, ok := o["text"].(string)
	switch n := utf8.RuneCountInString(text); {
	case !ok:
		b.fault(at+"/text", "must be a string")
	case n < least:
		b.fault(at+"/text", "must be more than %d characters", least-1)
	case n > most:
		b.fault(at+"/text", "must be less than %d characters", most+1)
	}
}

func (b *blockCheck) list(o map[string]any, name, at string, least, most int) []any {
	list, ok := o[name].([]any)
	if !ok {
		b.fault(at, "missing required field: %s", name)
		return nil
	}
	b.count(list, at+"/"+name, least, most)
	return list
}

func (b *blockCheck) count(list []any, at string, least, most int) {
	if len(list) < least {
		b.fault(at, "no fewer than %d items allowed", least)
	}
	if len(list) > most {
		b.fault(at, "no more than %d items allowed", most)
	}
}

// placed is an interactive element and the block that it stands in.
type placed struct {
	block   Block
	element map[string]any
}

// elements lists the interactive elements of blocks.
func elements(blocks []Block) []placed {
	var out []placed
	add := func(block Block, v any) {
		if e, ok := v.(map[string]any); ok && e["action_id"] != nil {
			out = append(out, placed{block, e})
		}
	}
	for _, block := range blocks {
		switch block["type"] {
		case "actions":
			list, _ := block["elements"].([]any)
			for _, v := range list {
				add(block, v)
			}
		case "section":
			add(block, block["accessory"])
		case "input":
			add(block, block["element"])
		}
	}
	return out
}

func str(o map[string]any, name string) string {
	v, _ := o[name].(string)
	return v
}
