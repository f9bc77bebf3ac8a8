// Music: the player, and pages that change around it without stopping it.
import "./player.js"
import "./pages.js"
import "./offline.js"
