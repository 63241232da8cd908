package slack

import (
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// noPreview is what Slack writes where it would have to show blocks.
const noPreview = "[no preview available]"

// empty says that a text has no words of whoever wrote it.
func empty(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || strings.EqualFold(s, noPreview)
}

// wordsOf are the words of a message, wherever they stand: in its text or, when that
// has none, in its blocks; and in its attachments, their fields and blocks, as those
// of an alarm do. What stands in two of these places is taken once. The preview of a
// link is not what somebody wrote.
func wordsOf(m slack.Message) []string {
	var out collected
	if out.add(m.Text); len(out.parts) == 0 {
		out.blocks(m.Blocks)
	}
	for _, a := range m.Attachments {
		if a.FromURL != "" && len(out.parts) > 0 {
			continue
		}
		before := len(out.parts)
		out.add(a.Pretext)
		out.add(a.AuthorName)
		out.add(linked(a.Title, a.TitleLink))
		out.add(a.Text)
		for _, f := range a.Fields {
			out.add(strings.Trim(strings.TrimSpace(f.Title)+": "+strings.TrimSpace(f.Value), ": "))
		}
		out.blocks(a.Blocks)
		if len(out.parts) == before {
			out.add(a.Fallback)
		}
		out.add(a.Footer)
	}
	return out.parts
}

func linked(title, url string) string {
	if empty(title) || url == "" {
		return title
	}
	return "<" + url + "|" + title + ">"
}

// collected are words in the order in which they are read.
type collected struct{ parts []string }

func (c *collected) add(s string) {
	if s = strings.TrimSpace(s); !empty(s) && !slices.Contains(c.parts, s) {
		c.parts = append(c.parts, s)
	}
}

func (c *collected) object(o *slack.TextBlockObject) {
	if o != nil {
		c.add(o.Text)
	}
}

// blocks adds the words of blocks. What has none (a divider, buttons, an input) adds
// nothing; a picture adds what stands for it.
func (c *collected) blocks(blocks slack.Blocks) {
	for _, block := range blocks.BlockSet {
		switch b := block.(type) {
		case *slack.HeaderBlock:
			c.object(b.Text)
		case *slack.SectionBlock:
			c.object(b.Text)
			for _, f := range b.Fields {
				c.object(f)
			}
		case *slack.ContextBlock:
			for _, e := range b.ContextElements.Elements {
				switch e := e.(type) {
				case *slack.TextBlockObject:
					c.object(e)
				case *slack.ImageBlockElement:
					c.add(e.AltText)
				}
			}
		case *slack.ImageBlock:
			c.object(b.Title)
			c.add(b.AltText)
		case *slack.VideoBlock:
			c.object(b.Title)
			c.object(b.Description)
		case *slack.MarkdownBlock:
			c.add(b.Text)
		case *slack.RichTextBlock:
			for _, e := range b.Elements {
				c.add(richText(e))
			}
		}
	}
}

// richText is an element of rich text, in Slack's notation for people and links.
func richText(e slack.RichTextElement) string {
	switch e := e.(type) {
	case *slack.RichTextSection:
		return richSection(e.Elements)
	case *slack.RichTextQuote:
		return richSection(e.Elements)
	case *slack.RichTextPreformatted:
		return richSection(e.Elements)
	case *slack.RichTextList:
		var lines []string
		for _, one := range e.Elements {
			lines = append(lines, "- "+richText(one))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

func richSection(elements []slack.RichTextSectionElement) string {
	var b strings.Builder
	for _, e := range elements {
		switch e := e.(type) {
		case *slack.RichTextSectionTextElement:
			b.WriteString(escaper.Replace(e.Text))
		case *slack.RichTextSectionLinkElement:
			if e.Text == "" {
				b.WriteString("<" + e.URL + ">")
			} else {
				b.WriteString("<" + e.URL + "|" + escaper.Replace(e.Text) + ">")
			}
		case *slack.RichTextSectionUserElement:
			b.WriteString("<@" + e.UserID + ">")
		case *slack.RichTextSectionChannelElement:
			b.WriteString("<#" + e.ChannelID + ">")
		case *slack.RichTextSectionUserGroupElement:
			b.WriteString("<!subteam^" + e.UsergroupID + ">")
		case *slack.RichTextSectionBroadcastElement:
			b.WriteString("<!" + e.Range + ">")
		case *slack.RichTextSectionEmojiElement:
			b.WriteString(":" + e.Name + ":")
		case *slack.RichTextSectionDateElement:
			if e.Fallback != nil {
				b.WriteString(escaper.Replace(*e.Fallback))
			} else {
				b.WriteString(utc(e.Timestamp.Time()))
			}
		case *slack.RichTextSectionColorElement:
			b.WriteString(e.Value)
		}
	}
	return b.String()
}
