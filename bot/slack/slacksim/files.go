package slacksim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	uploadMax  = 10 << 20
	altTextMax = 1000
)

func (s *Server) uploadURL(c *call) (map[string]any, error) {
	size, err := strconv.Atoi(c.str("length"))
	switch {
	case c.str("filename") == "":
		return nil, refuse("missing_argument", "[ERROR] missing required field: filename")
	case err != nil || size <= 0:
		return nil, refuse("missing_argument", "[ERROR] length has to be more than 0")
	case size > uploadMax:
		return nil, refuse("file_upload_size_restricted")
	case utf8.RuneCountInString(c.str("alt_txt")) > altTextMax:
		return nil, refuse("alt_txt_too_large")
	}
	f := &File{ID: newID("F0")[:12], Name: c.str("filename"), Title: c.str("filename"), Size: size, User: BotUserID, Created: s.clock.Now().Unix()}
	s.files[f.ID] = f
	s.fileOrder = append(s.fileOrder, f.ID)
	ticket := newID("")
	s.uploads[ticket] = f.ID
	// The same scheme and host as the API: slack-go sends its token nowhere else.
	return map[string]any{"upload_url": "http://" + c.host + "/upload/" + ticket, "file_id": f.ID}, nil
}

// upload takes the bytes of a file, bare or as multipart. slack-go's body ends
// with the closing boundary twice, so what follows the first part is not read.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	ticket := r.PathValue("ticket")
	s.mu.Lock()
	id := s.uploads[ticket]
	s.mu.Unlock()
	if id == "" {
		http.Error(w, "no such upload", http.StatusNotFound)
		return
	}
	content, err := uploaded(http.MaxBytesReader(w, r.Body, uploadMax+1<<16), r.Header.Get("Content-Type"))
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<16))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := *s.files[id]
	if len(content) != f.Size {
		http.Error(w, fmt.Sprintf("announced %d bytes, got %d", f.Size, len(content)), http.StatusBadRequest)
		return
	}
	f.Content = content
	s.files[id] = &f
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "OK - %d", len(content))
}

func uploaded(body io.Reader, contentType string) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		b, err := io.ReadAll(body)
		if err != nil {
			return nil, fmt.Errorf("read the upload: %w", err)
		}
		return b, nil
	}
	parts := multipart.NewReader(body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the upload has no file in it")
		}
		if err != nil {
			return nil, fmt.Errorf("read the upload: %w", err)
		}
		if part.FileName() == "" {
			continue
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("read the upload: %w", err)
		}
		return b, nil
	}
}

func (s *Server) completeUpload(c *call) (map[string]any, error) {
	v, _, err := c.value("files")
	list, ok := v.([]any)
	if err != nil || !ok || len(list) == 0 {
		return nil, refuse("invalid_arguments", "[ERROR] files has to be a list of {id, title}")
	}
	name := c.str("channel_id")
	if name == "" {
		name, _, _ = strings.Cut(c.str("channels"), ",")
	}
	if name != "" {
		if c.at, err = s.visit(read, name); err != nil {
			return nil, err
		}
	}
	channel := c.at.ID
	var done []*File
	for _, v := range list {
		o, _ := v.(map[string]any)
		f := s.files[str(o, "id")]
		if f == nil || f.Content == nil {
			return nil, refuse("file_not_found")
		}
		changed := *f
		if t := str(o, "title"); t != "" {
			changed.Title = t
		}
		changed.Channel = channel
		done = append(done, &changed)
	}
	var blocks []Block
	if v, given, err := c.value("blocks"); err != nil {
		return nil, refuse("invalid_blocks_format")
	} else if given {
		if blocks, err = messageBlocks(v); err != nil {
			return nil, err
		}
	}
	m := s.botMessage(channel, content{text: c.str("initial_comment"), blocks: blocks})
	out := []any{}
	for _, f := range done {
		s.files[f.ID] = f
		m.Files = append(m.Files, *f)
		out = append(out, map[string]any{"id": f.ID, "title": f.Title})
	}
	// Completing a second time shares the files a second time, as at Slack.
	if channel != "" {
		m.ThreadTS = s.thread(channel, c.str("thread_ts"))
		s.add(m)
		for _, f := range done {
			s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "file", For: m.For, only: s.audience(channel), File: f})
		}
	}
	return map[string]any{"files": out}, nil
}

func (s *Server) fileInfo(c *call) (map[string]any, error) {
	f := s.files[c.str("file")]
	if f == nil || f.Content == nil {
		return nil, refuse("file_not_found")
	}
	return map[string]any{"file": s.fileJSON(f), "comments": []any{}, "response_metadata": map[string]any{"next_cursor": ""}}, nil
}

func (s *Server) fileJSON(f *File) map[string]any {
	j := map[string]any{
		"id": f.ID, "name": f.Name, "title": f.Title, "size": f.Size, "user": f.User, "created": f.Created, "timestamp": f.Created,
		"filetype": strings.TrimPrefix(path.Ext(f.Name), "."), "mode": "hosted", "is_public": true,
		"url_private": s.URL() + "files/" + f.ID, "url_private_download": s.URL() + "files/" + f.ID, "permalink": s.URL() + "files/" + f.ID,
		"channels": []string{}, "shares": map[string]any{},
	}
	if f.Channel != "" {
		j["channels"] = []string{f.Channel}
	}
	return j
}

// download hands out a file to the page. Always as plain text or for saving: a
// file's bytes must not become a page of this address.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.files[r.PathValue("id")]
	s.mu.Unlock()
	if f == nil || f.Content == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self'")
	switch path.Ext(f.Name) {
	case ".md", ".txt", ".json", ".jsonl", ".log", ".csv":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	case ".png":
		w.Header().Set("Content-Type", "image/png")
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	}
	_, _ = io.Copy(w, bytes.NewReader(f.Content)) // the reader hung up
}
