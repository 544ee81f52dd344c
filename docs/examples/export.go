// Exports one reading, and waits up to 30 seconds for the destination's answer.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	body, err := json.Marshal(map[string]any{
		"uri":  os.Getenv("DESTINATION"),
		"data": map[string]any{"room": "Küche", "celsius": 21.5},
	})
	if err != nil {
		log.Fatal(err)
	}
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", os.Getenv("EXPORT_URL")+"/export", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("X-Api-Key", os.Getenv("EXPORT_TOKEN"))
	// When no answer comes, send the same request again with the same key: it is queued once.
	request.Header.Set("Idempotency-Key", hex.EncodeToString(key))
	request.Header.Set("Prefer", "wait=30")

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		problem, _ := io.ReadAll(response.Body)
		log.Fatalf("refused: %s", problem)
	}
	var export struct {
		State       string `json:"state"`
		ExtResponse struct {
			Status string `json:"status"`
			Body   string `json:"body"`
		} `json:"ext_response"`
	}
	if err := json.NewDecoder(response.Body).Decode(&export); err != nil {
		log.Fatal(err)
	}
	fmt.Println(export.State, export.ExtResponse.Status, export.ExtResponse.Body)
}
